"""Courses from a campus system's CSV or JSON export, through a field mapping."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from connectors.cursors import definition_mark
from connectors.disk import opened, read_whole
from connectors.export import Export
from connectors.mapping import columns_of, key_of, record_of
from connectors.rows import Row
from connectors.table import csv_rows
from connectors.tree import json_rows
from rag.core.definitions.sources import CatalogueSource
from rag.core.errors import BadDocument, BadInput
from rag.core.records import Change, Record, Unreadable, Upsert, digest


class CatalogueConnector:
    """Yields every row whenever a file has changed; digests decide what is new in it.

    A row that repeats an earlier one in everything is that one again: exports that are put together
    from pages have such. Another row under the same key is unreadable.
    """

    def __init__(self, name: str, definition: CatalogueSource) -> None:
        self._name = name
        self._definition = definition
        self._export = Export(
            source=name,
            path=definition.path,
            suffixes=(f".{definition.format}",),
            mark=definition_mark(definition),
        )

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    def keys(self) -> Iterator[str]:
        """The key of every row, in the order of rows.

        Raises:
            BadDocument: a row does not tell its key.
            BadInput: the file as a whole can't be used.
            RetryLater: the file is gone, can't be read or is being written.
        """
        return self._export.keys(self._keys)

    def changes(self, since: str | None) -> Iterator[Change]:
        """Upserts in the order of rows.

        Raises:
            BadInput: nothing is there, it can't be used as a whole, or lacks a column of the
                mapping.
            RetryLater: the file is gone, can't be read or is being written.
        """
        seen: dict[str, str] = {}
        return self._export.changes(since, lambda path: self._changes(path, seen))

    def _keys(self, path: Path) -> Iterator[str]:
        for row in self._rows(path):
            try:
                yield key_of(row, self._definition)
            except BadDocument as error:
                raise BadDocument(f"{row.place}: {error}") from None

    def _changes(self, path: Path, seen: dict[str, str]) -> Iterator[Change]:
        for row in self._rows(path):
            key = None
            try:
                key = key_of(row, self._definition)
                record = record_of(row, key, self._name, self._definition)
                repeated = _is_repeated(record, seen)
            except BadDocument as error:
                if key is not None:
                    seen.setdefault(key, "")
                reason = f"{path.name}, {row.place}: {error}"
                yield Unreadable(key=key, stage="parse", reason=reason)
            else:
                if not repeated:
                    yield Upsert(record=record)

    def _rows(self, path: Path) -> Iterator[Row]:
        definition = self._definition
        columns = columns_of(definition)
        if definition.format == "csv":
            yield from self._csv_rows(path, columns)
            return
        data = read_whole(path, max_bytes=definition.max_bytes)
        yield from json_rows(data, definition.records_at, columns)

    def _csv_rows(self, path: Path, columns: list[str]) -> Iterator[Row]:
        encoding, limit = self._definition.encoding, self._definition.max_bytes
        with opened(path) as handle:
            if os.fstat(handle.fileno()).st_size > limit:
                raise BadInput(
                    f"{path} has more than {limit:,} bytes.", mend="Split it or raise max_bytes."
                )
            text = io.TextIOWrapper(handle, encoding, errors="surrogateescape", newline="")
            try:
                yield from csv_rows(text, self._definition.delimiter, columns)
            except UnicodeError:
                raise BadInput(f"{path} is not {encoding}.", mend="Mend `encoding`.") from None


def _is_repeated(record: Record, seen: dict[str, str]) -> bool:
    """Whether the whole record was there before.

    Raises:
        BadDocument: only its key was.
    """
    mark = digest(record.digest(), *sorted(record.labels))
    if record.key not in seen:
        seen[record.key] = mark
        return False
    if seen[record.key] != mark:
        raise BadDocument("An earlier row has this key.", mend="Make the key's template unique.")
    return True
