"""The definitions in a configuration folder, and every mistake in its files."""

import os
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rag.core.definitions.base import NAME, Definition
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import RagDefinition
from rag.core.definitions.evaluations import EvaluationDefinition
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import SourceDefinition
from rag.core.errors import ConfigError, near
from rag.core.explain import explain
from rag.core.wording import FORMS, kinds, members
from rag.core.yaml_document import KeyPath, YamlDocument, shown

FOLDERS: Mapping[str, Any] = {
    "sources": SourceDefinition,
    "indexes": IndexDefinition,
    "bots": BotDefinition,
    "evaluations": EvaluationDefinition,
}
_SUFFIXES = {".yaml", ".yml"}
_D = TypeVar("_D")


class ConfigFolder:
    """Reads every file; what cannot be used is left out and told in `mistakes`.

    The root must be a folder. `rag` is None where rag.yaml is missing or mistaken. Paths are
    absolute, read from the folder of their file.
    """

    def __init__(self, root: Path, variables: Mapping[str, str]) -> None:
        self.root = root
        self.variables = variables
        self.mistakes: list[ConfigError] = []
        self._names: dict[str, list[str]] = {}
        self._documents: dict[tuple[str, str], YamlDocument] = {}
        self.rag: RagDefinition | None = self._rag()
        self.sources: dict[str, SourceDefinition] = self._folder("sources")
        self.indexes: dict[str, IndexDefinition] = self._folder("indexes")
        self.bots: dict[str, BotDefinition] = self._folder("bots")
        self.evaluations: dict[str, EvaluationDefinition] = self._folder("evaluations")
        self._check_folder_names()

    @property
    def prompts(self) -> Path:
        """Where the bots' prompt templates lie."""
        return self.root / "bots" / "prompts"

    def names(self, folder: str) -> Collection[str]:
        """The names of all files, also of those with mistakes."""
        return self._names[folder]

    def names_in_rag(self, key: str) -> Collection[str] | None:
        """The names below a key of rag.yaml, also of mistaken ones; None where nobody knows."""
        if self.rag is not None:
            return list(getattr(self.rag, key))
        document = self._documents.get(("", "rag"))
        data = document.data if document else None
        found = data.get(key) if isinstance(data, dict) else None
        return list(found) if isinstance(found, dict) else None

    def mistake(
        self, folder: str, name: str, path: KeyPath, message: str, mend: str = ""
    ) -> ConfigError:
        """A mistake at a key of a definition that was read."""
        return self._documents[folder, name].error(message, path, mend)

    def written(self, folder: str, name: str, path: KeyPath, value: object) -> str:
        """The value as its file writes it, so that no variable's value is shown."""
        return self._documents[folder, name].written.get(path, str(value))

    def _rag(self) -> RagDefinition | None:
        files = [file for file in self._files(self.root) if file.stem == "rag"]
        if not files:
            message, mend = "There is no such file.", "Create it; an empty one takes every default."
            self.mistakes.append(ConfigError(message, file=self.root / "rag.yaml", mend=mend))
            return None
        self._refuse_second(files)
        found: RagDefinition | None = self._read("", files[0])
        return found

    def _folder(self, folder: str) -> dict[str, Any]:
        by_name: dict[str, list[Path]] = {}
        for file in self._files(self.root / folder):
            by_name.setdefault(file.stem, []).append(file)
        self._names[folder] = list(by_name)
        found: dict[str, Any] = {}
        for name, files in by_name.items():
            self._refuse_second(files)
            self._check_name(name, files[0])
            definition = self._read(folder, files[0])
            if definition is not None:
                found[name] = definition
        return found

    def _check_name(self, name: str, file: Path) -> None:
        if not re.fullmatch(NAME, name):
            # What can't be printed can't be a link to the file either.
            place = file if name.isprintable() else file.parent
            message = f"“{shown(name)}” can't be a name."
            self.mistakes.append(ConfigError(message, file=place, mend=FORMS[NAME].rule))

    def _files(self, folder: Path) -> list[Path]:
        """The YAML files of a folder, by name; backups and locks of editors are hidden files."""
        return [
            child
            for child in self._children(folder)
            if child.suffix.lower() in _SUFFIXES and not child.name.startswith(".")
        ]

    def _children(self, folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            message = f"The folder can't be listed: {error.strerror}."
            mend = "Put a readable folder in its place."
            self.mistakes.append(ConfigError(message, file=folder, mend=mend))
            return []

    def _refuse_second(self, files: list[Path]) -> None:
        for file in files[1:]:
            message = f"{files[0].name} has the same name."
            self.mistakes.append(ConfigError(message, file=file, mend="Rename one of the two."))

    def _read(self, folder: str, file: Path) -> Any:
        if not file.name.isprintable():
            return None  # told by its name already, and no message can point into it
        try:
            document = YamlDocument(file, self.variables)
        except ConfigError as error:
            self.mistakes.append(error)
            return None
        self._documents[folder, file.stem] = document
        self.mistakes += document.mistakes
        try:
            definition = _adapter(folder).validate_python(document.data)
        except ValidationError as error:
            annotation = FOLDERS.get(folder, RagDefinition)
            if document.is_empty:
                self.mistakes.append(document.error("The file is empty.", mend=_needs(annotation)))
            else:
                self.mistakes += explain(document, error, annotation)
            return None
        return None if document.mistakes else with_absolute_paths(definition, file.parent)

    def _check_folder_names(self) -> None:
        """A folder with a misspelt name would be passed over in silence."""
        for folder in self._children(self.root):
            if folder.name in FOLDERS or not folder.is_dir():
                continue
            meant = near(folder.name, list(FOLDERS))
            if meant and self._files(folder):
                message = "Nobody reads the YAML files in this folder."
                mend = f"Did you mean “{meant}”?"
                self.mistakes.append(ConfigError(message, file=folder, mend=mend))


@cache
def _adapter(folder: str) -> TypeAdapter[Any]:
    return TypeAdapter(FOLDERS.get(folder, RagDefinition))


def with_absolute_paths(definition: _D, base: Path) -> _D:
    """The definition with every path read from the base; ~ is the home folder."""
    if not isinstance(definition, Definition):
        return definition
    fields = type(definition).model_fields
    update = {name: _absolute(getattr(definition, name), base) for name in fields}
    return definition.model_copy(update=update)


def _absolute(value: Any, base: Path) -> Any:
    match value:
        case Path():
            # pathlib's own ways raise for an unknown user, and follow links before "..".
            return Path(os.path.abspath(base / os.path.expanduser(value)))  # noqa: PTH100, PTH111
        case Definition():
            return with_absolute_paths(value, base)
        case tuple():
            return tuple(_absolute(each, base) for each in value)
        case dict():
            return {key: _absolute(each, base) for key, each in value.items()}
        case _:
            return value


def _needs(annotation: object) -> str:
    """What a file of this form can't do without."""
    models = members(annotation)
    if len(models) > 1:
        return (
            f"Write its kind first: {', '.join(kind for model in models for kind in kinds(model))}."
        )
    required = [name for name, field in models[0].model_fields.items() if field.is_required()]
    return f"It needs {', '.join(required)}."
