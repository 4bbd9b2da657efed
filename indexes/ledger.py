"""What an index knows of its records and sources, without reading a passage. SQLite.

On the embedded engine the file is a part of its generation and is sealed with it. On a server it is
rebuilt from the collection whenever a writer opens it.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from rag.core.contracts import LedgerEntry
from rag.core.errors import Damaged
from rag.core.records import Labels

_PAGE = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, partition TEXT NOT NULL, digest TEXT NOT NULL,
    labels TEXT NOT NULL, passages INTEGER NOT NULL, valid_until TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_source ON records (source);
CREATE TABLE IF NOT EXISTS cursors (source TEXT PRIMARY KEY, cursor TEXT NOT NULL) WITHOUT ROWID;
"""


class Ledger:
    """Entries and cursors in one SQLite file, or in memory where `file` is None.

    Raises:
        Damaged: the file is not a ledger.
    """

    def __init__(self, file: Path | None, *, read_only: bool = False) -> None:
        if file is None:
            target, is_uri = ":memory:", False
        else:
            mode = "ro&immutable=1" if read_only else "rwc"
            target, is_uri = f"file:{quote(str(file))}?mode={mode}", True
        try:
            self._db = sqlite3.connect(target, uri=is_uri, isolation_level=None)
            if not read_only:
                # Durability comes from sealing the whole generation, not from each transaction.
                self._db.execute("PRAGMA synchronous = OFF")
                self._db.execute("PRAGMA journal_mode = MEMORY")
                self._db.executescript(_SCHEMA)
            self._db.execute("SELECT count(*) FROM records").fetchone()
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                raise
            raise Damaged(
                f"The ledger {file} can't be read: {error}.",
                mend="Name another generation in CURRENT, or delete the index and run “rag sync”.",
            ) from error

    def put(self, entry: LedgerEntry) -> None:
        """Insert or replace one entry."""
        self._db.execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                entry.record_id,
                entry.source,
                entry.partition,
                entry.digest,
                _pack(entry.labels),
                entry.passages,
                entry.valid_until,
            ),
        )

    def relabel(self, record_id: str, labels: Labels) -> None:
        """Store the labels of a known record."""
        self._db.execute("UPDATE records SET labels = ? WHERE id = ?", (_pack(labels), record_id))

    def delete(self, record_id: str) -> None:
        """Forget a record."""
        self._db.execute("DELETE FROM records WHERE id = ?", (record_id,))

    def entry(self, record_id: str) -> LedgerEntry | None:
        """One entry, or None."""
        row = self._db.execute("SELECT * FROM records WHERE id = ?", (record_id,)).fetchone()
        return _entry(row) if row else None

    def page(self, source: str, *, after: str) -> list[LedgerEntry]:
        """The next entries of a source in the order of their ids; an empty list behind the last."""
        rows = self._db.execute(
            "SELECT * FROM records WHERE source = ? AND id > ? ORDER BY id LIMIT ?",
            (source, after, _PAGE),
        )
        return [_entry(row) for row in rows.fetchall()]

    def sources(self) -> frozenset[str]:
        """Every source that has an entry."""
        return frozenset(row[0] for row in self._db.execute("SELECT DISTINCT source FROM records"))

    def cursor(self, source: str) -> str | None:
        """The source's cursor, or None."""
        row = self._db.execute("SELECT cursor FROM cursors WHERE source = ?", (source,)).fetchone()
        return str(row[0]) if row else None

    def set_cursor(self, source: str, cursor: str | None) -> None:
        """Store or forget the source's cursor."""
        if cursor is None:
            self._db.execute("DELETE FROM cursors WHERE source = ?", (source,))
        else:
            self._db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (source, cursor))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def all_entries(ledger: Callable[[], Ledger], source: str) -> Iterator[LedgerEntry]:
    """All entries of a source in the order of their ids, while a writer may write or copy them."""
    last = ""
    while page := ledger().page(source, after=last):
        yield from page
        last = page[-1].record_id


def _pack(labels: Labels) -> str:
    return json.dumps(sorted(labels))


def _entry(row: tuple[str, str, str, str, str, int, str]) -> LedgerEntry:
    record_id, source, partition, digest, labels, passages, valid_until = row
    return LedgerEntry(
        record_id=record_id,
        source=source,
        partition=partition,
        digest=digest,
        labels=frozenset(json.loads(labels)),
        passages=passages,
        valid_until=valid_until,
    )
