"""Vectors that were made once are kept: a durable cache in one SQLite file, and an embedder on it.

The cache may lose an entry, because it can be made again; it must never give a wrong one.
"""

import math
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rag.core.contracts import Embedder, Progress, Silent
from rag.core.errors import Busy, RetryLater
from rag.core.records import Vector, digest

BATCH = 256
"""Texts embedded between two writes: what a kill can cost."""
WAIT = 30.0
"""Seconds to wait for another process's write."""
_LOOKUP = 500
"""Keys a query; SQLite's oldest limit is 999 parameters."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PRIMARY = 0xFF
"""The lowest byte of SQLite's extended error codes is the plain one."""
_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    embedder TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (embedder, text)
) WITHOUT ROWID
"""
_T = TypeVar("_T")


class VectorCache:
    """Vectors as float32, by the embedder's key and the digest of the embedded text.

    Any number of processes and threads may use one file: every call has a connection of its own.
    A batch is written whole or not at all, whenever the process is killed. A file that is no
    database any more is put aside as NAME.damaged and begun anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, embedder: str, texts: Sequence[str]) -> Mapping[str, Vector]:
        """The vectors that are there, by text.

        Raises:
            RetryLater: the disk does not answer.
        """
        keys = {_key(text): text for text in texts}

        def read(database: sqlite3.Connection) -> dict[str, Vector]:
            rows = _select(database, embedder, list(keys))
            unpacked = ((keys[key], _unpack(blob)) for key, blob in rows)
            return {text: vector for text, vector in unpacked if vector}

        return self._with_database(read) if keys else {}

    def put(self, embedder: str, vectors: Mapping[str, Vector]) -> None:
        """Keep the vectors of the texts, all or none.

        Raises:
            RetryLater: the disk is full or does not answer.
        """
        rows = [(embedder, _key(text), _pack(vector)) for text, vector in vectors.items()]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

        self._with_database(write)

    def _with_database(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return self._once(work)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise self._named(error) from error
            self._put_aside()
        try:
            return self._once(work)
        except sqlite3.DatabaseError as error:
            raise self._named(error) from error

    def _once(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._named(error) from error
        with closing(sqlite3.connect(self._path, timeout=WAIT)) as database:
            database.execute(_TABLE)
            return work(database)

    def _put_aside(self) -> None:
        # No journal is left behind: SQLite plays one back before it finds the file damaged.
        self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))

    def _named(self, error: sqlite3.Error | OSError) -> RetryLater:
        folder = self._path.parent
        code = _code(error)
        if code in _BUSY:
            return Busy(
                f"Another process has been writing to {self._path} for {WAIT:.0f} s.",
                mend="Try again when it is done.",
            )
        if code == sqlite3.SQLITE_FULL:
            return RetryLater(
                f"The disk of {folder} is full: vectors can't be kept.",
                mend="Free some space and run again; nothing embedded before is lost.",
            )
        return RetryLater(
            f"The vector cache {self._path} can't be used: {error}.",
            mend=f"See that this process may write to {folder}, and that its disk has space.",
        )


class CachedEmbedder:
    """An Embedder that makes each passage's vector once, in batches kept as they are done.

    `hits` and `misses` count the passages of all calls so far; a text that comes twice in one
    call is embedded once.
    """

    def __init__(
        self, embedder: Embedder, cache: VectorCache, *, progress: Progress | None = None
    ) -> None:
        self._embedder = embedder
        self._cache = cache
        self._progress = progress or Silent()
        self.hits = 0
        self.misses = 0

    @property
    def key(self) -> str:
        """The inner embedder's."""
        return self._embedder.key

    @property
    def dimension(self) -> int:
        """The inner embedder's."""
        return self._embedder.dimension

    @property
    def max_tokens(self) -> int:
        """The inner embedder's."""
        return self._embedder.max_tokens

    def count_tokens(self, text: str) -> int:
        """The inner embedder's count."""
        return self._embedder.count_tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector a text, in the order of the texts; from the cache where it is there.

        Raises:
            RetryLater: the cache's disk is full or does not answer. The batches before are kept.
        """
        known = dict(self._cache.get(self.key, texts))
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        self.misses += len(missing)
        self.hits += len(texts) - len(missing)
        if missing:
            known.update(self._make(missing))
        return [known[text] for text in texts]

    def embed_query(self, text: str) -> Vector:
        """The inner embedder's vector; questions are not kept."""
        return self._embedder.embed_query(text)

    def _make(self, texts: Sequence[str]) -> Mapping[str, Vector]:
        made: dict[str, Vector] = {}
        self._progress.start("embedding", len(texts))
        try:
            for start in range(0, len(texts), BATCH):
                batch = texts[start : start + BATCH]
                vectors = dict(zip(batch, self._embedder.embed_passages(batch), strict=True))
                self._cache.put(self.key, vectors)
                made.update(vectors)
                self._progress.advance(len(batch))
        finally:
            self._progress.finish()
        return made


def _select(
    database: sqlite3.Connection, embedder: str, keys: Sequence[bytes]
) -> Iterator[tuple[bytes, object]]:
    rest = iter(keys)
    while part := list(islice(rest, _LOOKUP)):
        marks = ",".join("?" * len(part))
        yield from database.execute(
            f"SELECT text, vector FROM vectors WHERE embedder = ? AND text IN ({marks})",  # noqa: S608  nothing but question marks
            (embedder, *part),
        )


def _key(text: str) -> bytes:
    return bytes.fromhex(digest(text))


def _pack(vector: Vector) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


def _unpack(blob: object) -> Vector:
    """The vector, or nothing where the bytes are no unit vector."""
    if not isinstance(blob, bytes) or len(blob) % 4:
        return ()
    vector = struct.unpack(f"<{len(blob) // 4}f", blob)
    return vector if math.isclose(math.hypot(*vector), 1, abs_tol=1e-3) else ()


def _code(error: sqlite3.Error | OSError) -> int | None:
    # Python's own errors about SQLite, such as a closed connection, carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    return code & _PRIMARY if code is not None else None
