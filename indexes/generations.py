"""The embedded engine's versions: sealed, immutable folders with one pointer to the live one.

    DATA/indexes/NAME/
        CURRENT             name of the live generation, replaced atomically
        g000007/            shard/ ledger.sqlite meta.json — never written to again
        draft/              what the one writer works on; the next writer removes what a crash left
        revocations.jsonl   see revocations.py
        lock                held by the one writer

A writer copies the live generation, changes the copy, seals it, and turns the pointer. Killed
anywhere, it leaves the live generation as it was. This module is the reading side and the lock;
draft.py writes.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes import durable, lock
from indexes.draft import GenerationWriter
from indexes.edge.shard import Shard
from indexes.generation import damaged, live_generation, read_meta
from indexes.pinned import PinnedIndex
from indexes.schema import IndexSchema
from rag.core.contracts import Index, IndexWriter
from rag.core.errors import Damaged, NotFound


class EdgeStore:
    """All generations of one index on the embedded engine; an `IndexStore`.

    `keep` sealed generations stay for rollback, the live one among them. Constructing it touches no
    file.
    """

    def __init__(
        self, name: str, folder: Path, schema: IndexSchema, *, keep: int, hnsw_ef: int
    ) -> None:
        self._name = name
        self._folder = folder
        self._schema = schema
        self._keep = keep
        self._hnsw_ef = hnsw_ef
        self._lock = threading.Lock()
        self._open: _Open | None = None

    @property
    def name(self) -> str:
        """The index definition's name."""
        return self._name

    def ping(self) -> None:
        """The live generation can be opened."""
        with self.pin():
            pass

    @contextmanager
    def pin(self) -> Iterator[Index]:
        """The live generation; a newer one is picked up by the next call."""
        opened = self._acquire()
        try:
            yield opened.index
        finally:
            self._release(opened)

    @contextmanager
    def write(self) -> Iterator[IndexWriter]:
        """The one writer; see `IndexStore.write`."""
        with lock.exclusive(self._folder / "lock"), durable.disk_errors(self._folder):
            writer = GenerationWriter(self._folder, self._schema, keep=self._keep)
            try:
                writer.begin()
                yield writer
            finally:
                writer.close()

    def _acquire(self) -> "_Open":
        with self._lock:
            current = live_generation(self._folder)
            if current is None:
                raise NotFound(
                    f"The index “{self._name}” has never been built.", mend="Run “rag sync”."
                )
            if self._open is None or self._open.index.version != current:
                self._turn_over(current)
            assert self._open is not None
            self._open.users += 1
            return self._open

    def _release(self, opened: "_Open") -> None:
        with self._lock:
            opened.users -= 1
            opened.close_if_unused()

    def _turn_over(self, current: str) -> None:
        """Open what is live now, and let the former one go when its last reader has gone.

        A live version of another schema is for processes that know the new settings: one that
        already reads goes on with the version it has until it is restarted.
        """
        try:
            opened = self._open_live(current)
        except NotFound:
            if self._open is None:
                raise
            return
        if self._open is not None:
            self._open.retire()
        self._open = opened

    def _open_live(self, current: str) -> "_Open":
        """Open what CURRENT names; if it was pruned meanwhile, CURRENT names a newer one by now."""
        while True:
            try:
                return self._open_generation(self._folder / current)
            except Damaged:
                newer = live_generation(self._folder)
                if newer is None or newer == current:
                    raise
                current = newer

    def _open_generation(self, folder: Path) -> "_Open":
        try:
            handle = lock.share(folder)
        except OSError as error:
            raise damaged(folder, "is not there") from error
        try:
            shard = self._load(folder)
        except BaseException:
            lock.release(handle)
            raise
        index = PinnedIndex(folder.name, shard, self._schema.facets, hnsw_ef=self._hnsw_ef)
        return _Open(index, shard, handle)

    def _load(self, folder: Path) -> Shard:
        if read_meta(folder).schema != self._schema.digest():
            raise NotFound(
                f"The index “{self._name}” was built with other settings of embedder or facets.",
                mend="Run “rag sync” to build it anew.",
            )
        try:
            return Shard.load(folder / "shard")
        except Exception as error:
            if not durable.is_full(error):
                raise
            return Shard.load_from_full_disk(folder / "shard")


class _Open:
    """An open generation with the number of requests that read it."""

    def __init__(self, index: PinnedIndex, shard: Shard, handle: int) -> None:
        self.index = index
        self.users = 0
        self._shard = shard
        self._is_retired = False
        # Also for a store that is dropped without a word: else nobody could prune its version.
        self._let_go = weakref.finalize(self, lock.release, handle)

    def retire(self) -> None:
        self._is_retired = True
        self.close_if_unused()

    def close_if_unused(self) -> None:
        if self._is_retired and self.users == 0:
            self._shard.close()
            self._let_go()
