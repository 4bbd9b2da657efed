"""What a source on disk remembers between two runs: a fingerprint of every file it has read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.core.definitions.base import Definition
from rag.core.records import digest

READING = "1"
"""Counts up when files are read differently, so that unchanged files are read once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Fingerprints by path, for one definition: another may give other labels or links."""

    definition: str
    files: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        """The cursor as a string."""
        return json.dumps(
            {"definition": self.definition, "files": dict(self.files)},
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def load(cls, text: str | None, definition: str) -> "Cursor":
        """The cursor from its string; an empty one if it is none, or one of another definition."""
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):
            found = {}
        files = found.get("files") if isinstance(found, dict) else None
        if not isinstance(files, dict) or found.get("definition") != definition:
            return cls(definition=definition)
        return cls(
            definition=definition,
            files={path: mark for path, mark in files.items() if isinstance(mark, str)},
        )


def definition_mark(definition: Definition) -> str:
    """Names the definition and the way files are read under it."""
    return digest(READING, definition.model_dump_json())
