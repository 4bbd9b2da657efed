"""The writing side of the embedded engine: a draft that becomes the next sealed generation."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from indexes import durable, lock
from indexes.edge.shard import Shard, settle
from indexes.generation import (
    Meta,
    copy_shard,
    generations,
    live_generation,
    next_name,
    read_meta,
    write_meta,
)
from indexes.ledger import Ledger, all_entries
from indexes.payload import entry_of
from indexes.revocations import Revocation, RevocationLog
from indexes.schema import IndexSchema
from rag.core.contracts import LedgerEntry
from rag.core.records import EmbeddedPassage, Labels, Record

ENGINE_ROOM = 64 * 2**20
"""Bytes that the engine may take at once beyond what it is given: every segment begins with files
of some mebibytes, and an optimization writes new segments before it removes the old."""

_PASSAGE_ROOM = 8
"""A passage takes at most so many times its own bytes, with its indexes."""


class GenerationWriter:
    """Works on a draft that begins as a copy of the live generation; an `IndexWriter`.

    After an error of the engine or the disk it is only to be closed.

    The copy is made by the first change, so that a run that changes nothing costs nothing. A live
    generation that has not come to the end of the revocation log is changed at once.
    """

    def __init__(self, folder: Path, schema: IndexSchema, *, keep: int) -> None:
        self._folder = folder
        self._schema = schema
        self._keep = keep
        self._log = RevocationLog(folder / "revocations.jsonl")
        self._revoked: list[Revocation] = []
        self._live: str | None = None
        # Of the live generation, if the draft begins as a copy of it.
        self._meta: Meta | None = None
        self._shard: Shard | None = None
        self._ledger = Ledger(None)

    def begin(self) -> None:
        """Look at what is live, and remove what a crash left.

        Raises:
            Damaged: the live generation or the revocation log is not what was written.
        """
        shutil.rmtree(self._draft, ignore_errors=True)
        self._live = live_generation(self._folder)
        if self._live is not None:
            meta = read_meta(self._folder / self._live)
            self._meta = meta if meta.schema == self._schema.digest() else None
        self._open_ledger()
        if self._meta is not None and self._log.has_more(self._meta.revocations):
            self._changing()

    @property
    def fresh(self) -> bool:
        """Whether the draft began empty."""
        return self._meta is None

    def put(self, batch: Sequence[tuple[Record, Sequence[EmbeddedPassage]]]) -> None:
        """See `IndexWriter.put`."""
        if not batch:
            return
        shard = self._changing()
        passages = [each for _, embedded in batch for each in embedded]
        self._require_room(sum(map(_size, passages)) * _PASSAGE_ROOM)
        shard.upsert(passages)
        for record, embedded in batch:
            known = self._ledger.entry(record.id)
            if known is not None:
                shard.delete(record.id, len(embedded), known.passages)
                self._note_narrowing(known, record.labels)
            self._ledger.put(entry_of(record, len(embedded)))
        durable.step("batch-put")

    def relabel(self, record_id: str, labels: Labels) -> None:
        """See `IndexWriter.relabel`."""
        known = self._ledger.entry(record_id)
        if known is None or known.labels == labels:
            return
        self._changing().relabel(record_id, known.passages, labels)
        self._ledger.relabel(record_id, labels)
        self._note_narrowing(known, labels)

    def delete(self, record_id: str) -> None:
        """See `IndexWriter.delete`."""
        known = self._ledger.entry(record_id)
        if known is None:
            return
        self._changing().delete(record_id, 0, known.passages)
        self._ledger.delete(record_id)
        self._revoked.append(Revocation(record_id=record_id, labels=None))

    def sources(self) -> frozenset[str]:
        """See `IndexWriter.sources`."""
        return self._ledger.sources()

    def entries(self, source: str) -> Iterator[LedgerEntry]:
        """See `IndexWriter.entries`."""
        return all_entries(lambda: self._ledger, source)

    def entry(self, record_id: str) -> LedgerEntry | None:
        """See `IndexWriter.entry`."""
        return self._ledger.entry(record_id)

    def cursor(self, source: str) -> str | None:
        """See `IndexWriter.cursor`."""
        return self._ledger.cursor(source)

    def set_cursor(self, source: str, cursor: str | None) -> None:
        """See `IndexWriter.set_cursor`."""
        if self._ledger.cursor(source) == cursor:
            return
        self._changing()
        self._ledger.set_cursor(source, cursor)
        durable.step("cursor-set")

    def publish(self) -> str:
        """See `IndexWriter.publish`."""
        if self._shard is None and self._live is not None and not self.fresh:
            return self._live
        self._changing()
        self._seal(self._append_revocations())
        self._live = self._promote()
        self._meta = read_meta(self._folder / self._live)
        self._open_ledger()
        self._prune()
        return self._live

    def close(self) -> None:
        """Throw away what was not published."""
        self._ledger.close()
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        shutil.rmtree(self._draft, ignore_errors=True)

    @property
    def _draft(self) -> Path:
        return self._folder / "draft"

    def _open_ledger(self) -> None:
        """What the live generation knows, or nothing where the draft will begin empty."""
        if self._meta is not None:
            file = self._folder / str(self._live) / "ledger.sqlite"
            self._ledger = Ledger(file, read_only=True)

    def _changing(self) -> Shard:
        """The draft's shard; the draft begins with the first call."""
        self._require_room(0)
        if self._shard is None:
            self._draft.mkdir(parents=True)
            durable.step("draft-begun")
            self._ledger.close()
            if self._meta is None:
                self._begin_empty()
            else:
                self._begin_copy(self._meta)
        assert self._shard is not None
        return self._shard

    def _begin_empty(self) -> None:
        self._ledger = Ledger(self._draft / "ledger.sqlite")
        self._shard = Shard.create(
            self._draft / "shard", self._schema.dimension, self._schema.facets
        )

    def _begin_copy(self, meta: Meta) -> None:
        live = self._folder / str(self._live)
        self._require_room(durable.space_used(live))
        copy_shard(live, meta, self._draft)
        durable.copy_file(live / "ledger.sqlite", self._draft / "ledger.sqlite")
        durable.step("draft-copied")
        self._ledger = Ledger(self._draft / "ledger.sqlite")
        self._shard = Shard.load(self._draft / "shard")
        self._replay(meta.revocations)

    def _replay(self, position: int) -> None:
        for revocation in self._log.since(position):
            known = self._ledger.entry(revocation.record_id)
            if known is None:
                continue
            if revocation.labels is None:
                self.delete(revocation.record_id)
            else:
                self.relabel(revocation.record_id, known.labels & revocation.labels)
        # What was replayed stands in the log already.
        self._revoked.clear()
        durable.step("draft-replayed")

    def _note_narrowing(self, known: LedgerEntry, labels: Labels) -> None:
        if known.labels - labels:
            self._revoked.append(Revocation(record_id=known.record_id, labels=labels))

    def _append_revocations(self) -> int:
        position = self._log.append(self._revoked)
        self._revoked.clear()
        durable.step("revocations-appended")
        return position

    def _seal(self, position: int) -> None:
        shard = self._changing()
        self._require_room(durable.space_used(self._draft))
        shard.optimize()
        durable.step("optimized")
        shard.flush()
        shard.close()
        self._shard = None
        self._ledger.close()
        settle(self._draft / "shard")
        write_meta(self._draft, schema=self._schema.digest(), revocations=position)
        durable.step("sealed")
        durable.fsync_tree(self._draft)
        durable.step("synced-to-disk")

    def _promote(self) -> str:
        generation = next_name(self._folder)
        durable.rename(self._draft, self._folder / generation)
        durable.step("renamed")
        durable.replace_text(self._folder / "CURRENT", generation + "\n")
        durable.step("promoted")
        return generation

    def _prune(self) -> None:
        """Remove old generations, and newer ones that a crash left unpromoted.

        A generation that somebody reads stays until the next time.
        """
        others = [each for each in generations(self._folder) if each != self._live]
        for name in others[: max(0, len(others) - (self._keep - 1))]:
            with lock.unused(self._folder / name) as is_unused:
                if is_unused:
                    shutil.rmtree(self._folder / name)
        durable.step("pruned")

    def _require_room(self, needed: int) -> None:
        durable.require_room(self._folder, ENGINE_ROOM + needed)


def _size(embedded: EmbeddedPassage) -> int:
    """About how many bytes the passage holds."""
    passage = embedded.passage
    text = len(passage.text) + len(passage.title) + len(passage.url) + 200
    return text + 4 * len(embedded.vector) + 8 * len(embedded.sparse.indices)
