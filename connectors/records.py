"""JSON Lines of Record: tickets, FAQs, whatever a script of the campus can write."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connectors.cursors import definition_mark
from connectors.disk import opened
from connectors.export import Export
from connectors.facets import facets_from_json
from connectors.lines import bounded_lines
from connectors.values import checked_key, clean, web_address
from rag.core.definitions.base import Label, Language
from rag.core.definitions.sources import RecordsSource
from rag.core.errors import BadDocument, BadInput, BadLabels, nearest
from rag.core.records import LABELS, Change, Kind, Record, Unreadable, Upsert

_MAX_PLACE = 100


class Line(BaseModel):
    """The fields of a line. Any other is a mistake; `source`, where it stands, is our own name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: str
    kind: Kind
    text: str
    labels: frozenset[Label]
    source: str | None = None
    title: str = ""
    url: str = ""
    language: Language | None = None
    updated_at: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    partition: str = ""
    facets: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """A line as it stands in the file. Without a key, `problem` says why it is not known."""

    number: int
    text: str = ""
    key: str | None = None
    problem: BadDocument | None = None


class RecordsConnector:
    """Yields every line whenever the file has changed; digests decide what is new in it.

    A line that names a label which the definition does not allow is unreadable as a whole.
    """

    def __init__(self, name: str, definition: RecordsSource) -> None:
        self._name = name
        self._definition = definition
        self._export = Export(
            source=name,
            path=definition.path,
            suffixes=(".jsonl", ".ndjson"),
            mark=definition_mark(definition),
        )

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    def keys(self) -> Iterator[str]:
        """The key of every line, in the order of lines.

        Raises:
            BadDocument: a line does not tell its key.
            RetryLater: the file is gone, can't be read or is being written.
        """
        return self._export.keys(self._keys)

    def changes(self, since: str | None) -> Iterator[Change]:
        """Upserts in the order of lines.

        Raises:
            BadInput: the file is not there, may not be read, or is empty.
            RetryLater: the file is gone, can't be read or is being written.
        """
        seen: set[str] = set()
        return self._export.changes(since, lambda path: self._changes(path, seen))

    def _keys(self, path: Path) -> Iterator[str]:
        for raw in self._lines(path):
            if raw.key is None:
                raise BadDocument(f"Line {raw.number}: {raw.problem}")
            yield raw.key

    def _changes(self, path: Path, seen: set[str]) -> Iterator[Change]:
        for raw in self._lines(path):
            try:
                record = self._record(raw, seen)
            except BadDocument as error:
                reason = f"{path.name}, line {raw.number}: {error}"
                stage = LABELS if isinstance(error, BadLabels) else "parse"
                yield Unreadable(key=raw.key, stage=stage, reason=reason)
            else:
                yield Upsert(record=record)

    def _lines(self, path: Path) -> Iterator[_Raw]:
        """Every line that is not blank."""
        limit = self._definition.max_line_bytes
        with opened(path) as handle:
            number = 0
            for number, (line, too_long) in enumerate(bounded_lines(handle, limit, (b"\n",)), 1):
                if too_long:
                    problem = BadDocument(
                        f"The line has more than {limit:,} bytes.",
                        mend="Split the record, or raise max_line_bytes.",
                    )
                    yield _Raw(number=number, problem=problem)
                elif line.strip():
                    yield _raw(number, line)
        if not number:
            raise BadInput(
                f"{path} is empty.", mend="An export without a record holds one empty line."
            )

    def _record(self, raw: _Raw, seen: set[str]) -> Record:
        if raw.key is None:
            assert raw.problem is not None
            raise raw.problem
        if raw.key in seen:
            raise BadDocument("This key stood in an earlier line.", mend="Keys are unique.")
        seen.add(raw.key)
        line = _validated(raw.text)
        self._check(line)
        return Record(
            source=self._name,
            key=raw.key,
            kind=line.kind,
            text=clean(line.text),
            title=clean(line.title),
            url=web_address(line.url),
            labels=line.labels,
            language=line.language,
            updated_at=line.updated_at,
            valid_until=line.valid_until,
            partition=clean(line.partition),
            facets=facets_from_json(self._definition.facets, line.facets),
        )

    def _check(self, line: Line) -> None:
        if line.source not in {None, self._name}:
            raise BadDocument(
                "The line belongs to another source.", mend=f"Here `source` is “{self._name}”."
            )
        strange = line.labels.difference(self._definition.allowed_labels)
        if strange:
            raise BadLabels(
                f"The label {min(strange)} is not allowed here.",
                mend="Mend the line, or add the label to allowed_labels.",
            )
        if not line.text.strip():
            raise BadDocument("The text is empty.", mend="Fill it or leave the line out.")


def _raw(number: int, line: bytes) -> _Raw:
    try:
        text = line.decode("utf-8").removeprefix("\ufeff")
        key = _key_of(json.loads(text, object_pairs_hook=_unique))
        return _Raw(number=number, text=text, key=key)
    except BadDocument as error:
        problem = error
    except UnicodeDecodeError as error:
        problem = BadDocument(f"Byte {error.start} is not UTF-8.", mend="Write the file as UTF-8.")
    except (ValueError, RecursionError):
        problem = BadDocument("This is not valid JSON.", mend="One object a line.")
    return _Raw(number=number, problem=problem)


def _key_of(fields: object) -> str:
    key = fields.get("key") if isinstance(fields, dict) else None
    if not isinstance(key, str):
        raise BadDocument("This is no JSON object with a key.", mend="Mend the line.")
    return checked_key(key)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object; a field twice in it could say `staff` to one reader and `public` to another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadDocument("A field stands twice in one object.", mend="Mend the line.")
    return found


def _validated(text: str) -> Line:
    try:
        return Line.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:_MAX_PLACE]
        if first["type"] == "extra_forbidden":
            mend = nearest(place, list(Line.model_fields))
            raise BadDocument(f"The field {place} is not known.", mend=mend) from None
        raise BadDocument(f"{place}: {first['msg']}.", mend="Mend the field.") from None
