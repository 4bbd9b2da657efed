"""JSON schemas of the YAML files, so that editors complete keys and mark mistakes.

`python -m rag.app.schemas` writes them to config/schemas; a test compares.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import RagDefinition
from rag.core.definitions.evaluations import EvaluationDefinition
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import SourceDefinition

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Name of the schema → what it describes, and where such files lie.
DEFINITIONS: Mapping[str, tuple[Any, str]] = {
    "rag": (RagDefinition, "rag.yaml"),
    "source": (SourceDefinition, "sources/*.yaml"),
    "index": (IndexDefinition, "indexes/*.yaml"),
    "bot": (BotDefinition, "bots/*.yaml"),
    "evaluation": (EvaluationDefinition, "evaluations/*.yaml"),
}


def schema_text(name: str) -> str:
    """One schema as the text of its file."""
    annotation, files = DEFINITIONS[name]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    schema = {"$schema": DIALECT, **adapter.json_schema(), "title": files}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def schema_file(folder: Path, name: str) -> Path:
    """Where the schema lies in the folder of schemas."""
    return folder / f"{name}.schema.json"


def write_schemas(folder: Path) -> None:
    """Write every schema, in the place of older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in DEFINITIONS:
        schema_file(folder, name).write_text(schema_text(name), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path("config/schemas"))
