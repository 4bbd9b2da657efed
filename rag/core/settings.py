"""A checked configuration; the only reader of the environment.

A configuration is a folder: `rag.yaml`, `sources/`, `indexes/`, `bots/`, `evaluations/`. Every
mistake in it becomes a `ConfigError` with file, line and key; all of them are told at once.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag.core.config_folder import ConfigFolder
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import RagDefinition
from rag.core.definitions.evaluations import EvaluationDefinition
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import Facet, SourceDefinition
from rag.core.errors import BadInput, ConfigError
from rag.core.references import wrong_references
from rag.core.surroundings import missing_surroundings


class ConfigErrors(BadInput):
    """Every mistake that was found, in the order of files and lines."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        once = {str(each): each for each in errors}.values()
        self.errors = sorted(once, key=lambda each: (str(each.file), each.line, each.key))
        count = len(self.errors)
        super().__init__(f"{count} mistake{'s' if count > 1 else ''} in the configuration.")

    def __str__(self) -> str:
        return "\n".join(str(each) for each in self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One checked configuration: every reference leads somewhere, every path is absolute."""

    root: Path
    rag: RagDefinition
    sources: Mapping[str, SourceDefinition]
    indexes: Mapping[str, IndexDefinition]
    bots: Mapping[str, BotDefinition]
    evaluations: Mapping[str, EvaluationDefinition]

    def facets(self, index: str) -> Mapping[str, Facet]:
        """The facets of all sources of an index; a name means the same in each of them."""
        sources = [self.sources[name] for name in self.indexes[index].sources]
        return {name: facet for source in sources for name, facet in source.facets.items()}

    @property
    def prompts(self) -> Path:
        """Where the bots' prompt templates lie."""
        return self.root / "bots" / "prompts"


def secret(variable: str | None) -> str | None:
    """The value behind a variable's name, or None where no variable is named.

    Raises:
        BadInput: the variable is not set or empty.
    """
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise BadInput(
            f"The environment variable {variable} is not set.",
            mend=f"Set it, for example: export {variable}=…",
        )
    return value


def load(root: Path) -> Settings:
    """Read a configuration folder, and check every file and every reference between them.

    What lies outside of the folder is not looked at: an answer needs no source, and a sync no
    generator's key.

    Raises:
        ConfigErrors: everything that is wrong with it.
    """
    folder = _read(root)
    return _settings(folder, [*wrong_references(folder)])


def check(root: Path) -> Settings:
    """As `load`, and everything that any command will need of this machine.

    That is the sources' files, the cases, and the variables that hold secrets.

    Raises:
        ConfigErrors: everything that is wrong with it.
    """
    folder = _read(root)
    return _settings(folder, [*wrong_references(folder), *missing_surroundings(folder)])


def _read(root: Path) -> ConfigFolder:
    if not root.is_dir():
        mend = "Name a folder with --config or RAG_CONFIG."
        raise ConfigErrors([ConfigError("This is no folder.", file=root, mend=mend)])
    return ConfigFolder(root, os.environ)


def _settings(folder: ConfigFolder, mistakes: list[ConfigError]) -> Settings:
    if folder.rag is None or folder.mistakes or mistakes:
        raise ConfigErrors([*folder.mistakes, *mistakes])
    return Settings(
        root=folder.root.resolve(),
        rag=folder.rag,
        sources=folder.sources,
        indexes=folder.indexes,
        bots=folder.bots,
        evaluations=folder.evaluations,
    )
