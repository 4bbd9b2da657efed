"""Every model of a YAML file, found by looking."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from rag.core import definitions
from rag.core.definitions.base import Definition
from rag.core.wording import is_definition

FOLDER = Path(definitions.__path__[0])


def models() -> list[type[Definition]]:
    """All definitions of all modules."""
    return [each for module in _modules() for each in vars(module).values() if is_definition(each)]


def source_text() -> str:
    """The code of all modules."""
    return "\n".join(file.read_text("utf-8") for file in sorted(FOLDER.glob("*.py")))


def _modules() -> Iterator[object]:
    for file in sorted(FOLDER.glob("[a-z]*.py")):
        yield importlib.import_module(f"{definitions.__name__}.{file.stem}")
