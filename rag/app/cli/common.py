"""What every command shares: options, output, progress, exit codes.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 ran but fell short, 2 wrong
use.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from rag.app.wiring import Campus
from rag.core.contracts import Progress
from rag.core.errors import BadInput, NotFound, RagError
from rag.core.records import PUBLIC, Labels
from rag.core.settings import ConfigErrors, Settings, load

DONE, SHORT, WRONG_USE = 0, 1, 2
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where configuration and data lie."""

    config: Path
    data: Path

    def settings(self) -> Settings:
        """The checked configuration."""
        return load(self.config)

    def campus(self) -> Campus:
        """Everything the configuration names, built when first used."""
        return Campus(self.settings(), self.data)


def root_options(command: _F) -> _F:
    """Add --config and --data, also by RAG_CONFIG and RAG_DATA, to what is called first."""
    return _place_options(command, config="RAG_CONFIG", data="RAG_DATA")


def place_options(command: _F) -> _F:
    """Add --config and --data to a command; without them those given before its name hold."""
    return _place_options(command, config=None, data=None)


def _place_options(command: _F, *, config: str | None, data: str | None) -> _F:
    add_config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar=config,
        help="Folder of YAML files.  [default: config; RAG_CONFIG]",
    )
    add_data = click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar=data,
        help="Folder of indexes and databases.  [default: data; RAG_DATA]",
    )
    return add_config(add_data(command))


def json_option(command: _F) -> _F:
    """Add --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )(command)


def labels_option(command: _F) -> _F:
    """Add --labels."""
    return click.option(
        "--labels",
        default=PUBLIC,
        show_default=True,
        metavar="A,B",
        callback=lambda _context, _option, value: _labels(value),
        help="Access labels of the asker.",
    )(command)


def place_of(config: Path | None, data: Path | None) -> Place:
    """The folders of this call: its own options, else those given before the command's name."""
    outer = click.get_current_context().find_root().params
    return Place(
        config=config or outer.get("config") or Path("config"),
        data=(data or outer.get("data") or Path("data")).absolute(),
    )


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def say(text: str) -> None:
    """A line for the person, on stderr."""
    click.echo(text, err=True)


def fail(error: RagError, *, as_json: bool) -> NoReturn:
    """End the command with the error's message and its exit code."""
    code = WRONG_USE if isinstance(error, BadInput | NotFound) else SHORT
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error)}})
    say(f"Error: {error}" if not isinstance(error, ConfigErrors) else str(error))
    raise SystemExit(code)


def _labels(value: str) -> Labels:
    return frozenset(label.strip() for label in value.split(",") if label.strip())


class TerminalProgress:
    """A progress bar where somebody looks, a line per task where nobody does."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._name = ""
        self._steps = 0

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, task: str, total: int | None) -> None:
        """See `Progress.start`."""
        self.finish()
        self._name, self._steps = task, 0
        self._task = self._bars.add_task(task, total=total)

    def advance(self, steps: int = 1) -> None:
        """See `Progress.advance`."""
        self._steps += steps
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def finish(self) -> None:
        """See `Progress.finish`."""
        if self._task is None:
            return
        if self._bars.disable and self._steps:
            say(f"{self._name}: {self._steps}")
        self._bars.remove_task(self._task)
        self._task = None


def is_watched() -> bool:
    """Whether a person sees stdout as it comes."""
    return sys.stdout.isatty()
