"""Brings one index up to date with one source, without losing or inventing anything.

Two passes. The first reads the source to its end and compares every record with the ledger by
digest: deletes and changed labels are written at once, changed records are laid aside on disk. If
anything was revoked it is published before the second pass, which cuts, embeds and stores what
changed, can take hours, and must not keep a closed page open.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol, TypeVar

from indexes import durable
from indexes.spool import Spool
from rag.core.contracts import Embedder, IndexWriter, Progress, Source
from rag.core.definitions.indexes import SweepGuard
from rag.core.errors import BadDocument, BadInput, RagError, RetryLater
from rag.core.records import (
    LABELS,
    Change,
    Checkpoint,
    Delete,
    EmbeddedPassage,
    Passage,
    Record,
    SparseVector,
    Unreadable,
    Upsert,
    record_id,
)

BATCH_RECORDS = 64
THRESHOLD_FROM = 20
MAX_FAILURES_LISTED = 1000
_T = TypeVar("_T")


class Chunk(Protocol):
    """Cuts a record into passages."""

    def __call__(self, record: Record) -> Sequence[Passage]:
        """Passages numbered from 0, none longer than the embedder reads."""


class Encode(Protocol):
    """Makes the BM25 vector of a passage."""

    def __call__(self, text: str, language: str) -> SparseVector:
        """The vector in the language's own terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One document that is not in the index as it should be, and why."""

    key: str | None
    stage: str
    reason: str


@dataclass(slots=True, kw_only=True)
class SourceReport:
    """What one run did for one source. Counts are records; `outage` ends a source, not the run."""

    source: str
    index: str
    seen: int = 0
    added: int = 0
    changed: int = 0
    relabelled: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    unlabelled: int = 0
    passages: int = 0
    failures: list[Failure] = field(default_factory=list)
    refused_sweeps: list[str] = field(default_factory=list)
    not_swept: str = ""
    outage: str = ""
    seconds: float = 0.0

    @property
    def is_short(self) -> bool:
        """Whether a person should look at this."""
        return bool(self.failed or self.refused_sweeps or self.not_swept or self.outage)

    def fail(self, key: str | None, stage: str, reason: str) -> None:
        """Count a failure; the first thousand are listed."""
        self.failed += 1
        if len(self.failures) < MAX_FAILURES_LISTED:
            self.failures.append(Failure(key=key, stage=stage, reason=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a sync works with; the same for all sources of an index."""

    chunk: Chunk
    embedder: Embedder
    encode: Encode
    guard: SweepGuard
    progress: Progress


class SourceSync:
    """One run for one source into one index; `report` grows with it.

    `definition` is a digest of the source's YAML: a cursor made under another one is not used.
    """

    def __init__(
        self,
        source: Source,
        writer: IndexWriter,
        spool: Spool,
        tools: Tools,
        report: SourceReport,
        *,
        definition: str,
        failure_threshold: float,
        now: datetime | None = None,
    ) -> None:
        self._source = source
        self._writer = writer
        self._spool = spool
        self._tools = tools
        self.report = report
        self._definition = definition
        self._failure_threshold = failure_threshold
        self._now = now or datetime.now(UTC)
        self._seen: set[str] = set()
        # Place in the spool of the last state of each record that has to be stored.
        self._to_store: dict[str, int] = {}
        self._unnamed_failures = 0
        self._cursor: str | None = None
        self._revoked = False

    @property
    def has_revoked(self) -> bool:
        """Whether the first pass deleted something or changed who may see it."""
        return self._revoked

    def run(self, *, full: bool) -> None:
        """Both passes, with what was revoked published between them.

        Raises:
            RetryLater: the disk is full or the engine is down.
            BadInput: too many documents are unreadable, or the definition can't be used.
        """
        self.read(full=full)
        if self._revoked and not self._writer.fresh:
            self._writer.publish()
        self.store()

    def read(self, *, full: bool) -> None:
        """The first pass; what it revoked is to be published soon.

        With `full` the source is read as if for the first time. An outage of the source is written
        into the report; nothing is swept then, what was read before it stands, and the next run
        resumes from the last checkpoint.

        Raises:
            RetryLater: the disk is full or the engine is down.
            BadInput: too many documents are unreadable, or the definition can't be used.
        """
        since = None if full else self._usable_cursor()
        self._tools.progress.start(f"{self.report.source}: reading", None)
        for change in self._handed_over(since):
            self._take(change)
        self._expire()
        if not self.report.outage:
            self._sweep(is_full_read=since is None)

    def store(self) -> None:
        """The second pass: cut, embed and store what changed, then move the cursor.

        Raises:
            RetryLater: the disk is full or the engine is down.
        """
        self._store_changed()
        if self._cursor is not None:
            self._writer.set_cursor(self._source.name, self._pack(self._cursor))

    def _usable_cursor(self) -> str | None:
        packed = self._writer.cursor(self._source.name)
        if packed is None:
            return None
        data = json.loads(packed)
        return str(data["cursor"]) if data["definition"] == self._definition else None

    def _pack(self, cursor: str) -> str:
        return json.dumps({"definition": self._definition, "cursor": cursor})

    # --- first pass ------------------------------------------------------------------------

    def _handed_over(self, since: str | None) -> Iterator[Change]:
        """Every change until the end, or until an outage of the source, which is reported.

        What fails while a change is taken in does not pass through here: a full disk is no outage.
        """
        try:
            yield from self._source.changes(since)
        except RetryLater as error:
            self.report.outage = str(error)

    def _take(self, change: Change) -> None:
        match change:
            case Upsert(record=record):
                self._take_record(record)
            case Delete(key=key):
                self._delete(record_id(self._source.name, key))
            case Checkpoint(cursor=cursor):
                self._cursor = cursor
            case Unreadable(key=key, stage=stage, reason=reason):
                self._take_failure(key, stage, reason)

    def _take_record(self, record: Record) -> None:
        report = self.report
        report.seen += 1
        self._tools.progress.advance()
        self._seen.add(record.id)
        report.unlabelled += not record.labels
        if record.valid_until is not None and record.valid_until <= self._now:
            self._delete(record.id)
            return
        known = self._writer.entry(record.id)
        if known is not None and known.labels != record.labels:
            self._writer.relabel(record.id, record.labels)
            self._revoked = True
        self._to_store.pop(record.id, None)
        if known is None or known.digest != record.digest():
            self._to_store[record.id] = len(self._spool)
            self._spool.add(record)
        elif known.labels != record.labels:
            report.relabelled += 1
        else:
            report.unchanged += 1

    def _take_failure(self, key: str | None, stage: str, reason: str) -> None:
        self.report.fail(key, stage, reason)
        if key is None:
            self._unnamed_failures += 1
        else:
            # Unreadable is not gone: the version that is in the index stays, unless it is no longer
            # known who may see it.
            record = record_id(self._source.name, key)
            self._seen.add(record)
            if stage == LABELS:
                self._hide(record)
        total = self.report.seen + self.report.failed
        if total >= THRESHOLD_FROM and self.report.failed > self._failure_threshold * total:
            raise BadInput(
                f"{self.report.failed} of the first {total} documents of “{self._source.name}” "
                f"can't be read; the run stopped. The last one: {reason}",
                mend="Mend the source, or raise its failure_threshold.",
            )

    def _hide(self, record: str) -> None:
        if self._writer.entry(record) is not None:
            self._writer.relabel(record, frozenset())
            self._revoked = True

    def _delete(self, record: str) -> None:
        self._to_store.pop(record, None)
        if self._writer.entry(record) is not None:
            self._writer.delete(record)
            self.report.deleted += 1
            self._revoked = True

    def _expire(self) -> None:
        """Delete what is out of date; what came with another date is not."""
        for entry in self._writer.entries(self._source.name):
            if entry.record_id in self._to_store or not entry.valid_until:
                continue
            if datetime.fromisoformat(entry.valid_until) <= self._now:
                self._delete(entry.record_id)

    # --- the sweep -------------------------------------------------------------------------

    def _sweep(self, *, is_full_read: bool) -> None:
        """Delete what the complete listing lacks, partition by partition, under the guard."""
        if self._unnamed_failures:
            self.report.not_swept = (
                f"{self._unnamed_failures} unreadable documents have no name, so it is not known "
                "which records are gone."
            )
            return
        live = self._seen if is_full_read else self._listed()
        if live is None:
            return
        missing: dict[str, list[str]] = {}
        totals: Counter[str] = Counter()
        for entry in self._writer.entries(self._source.name):
            totals[entry.partition] += 1
            if entry.record_id not in live:
                missing.setdefault(entry.partition, []).append(entry.record_id)
        for partition, ids in missing.items():
            self._sweep_partition(partition, ids, totals[partition])

    def _sweep_partition(self, partition: str, ids: Sequence[str], total: int) -> None:
        guard = self._tools.guard
        if len(ids) > guard.records and len(ids) > guard.share * total:
            where = f" of partition “{partition}”" if partition else ""
            self.report.refused_sweeps.append(
                f"{len(ids)} of {total} records{where} are missing from the source; none was "
                "deleted."
            )
            return
        for each in ids:
            self._delete(each)

    def _listed(self) -> set[str] | None:
        """Ids of all live records, or None where the source can't say."""
        try:
            keys = self._source.keys()
            if keys is None:
                return None
            return {record_id(self._source.name, key) for key in keys} | self._seen
        except (RetryLater, BadDocument) as error:
            self.report.not_swept = str(error)
            return None

    # --- second pass -----------------------------------------------------------------------

    def _store_changed(self) -> None:
        self._tools.progress.start(f"{self.report.source}: indexing", len(self._to_store))
        for batch in _batches(self._latest(), BATCH_RECORDS):
            self._store(batch)
            self._tools.progress.advance(len(batch))
        self._tools.progress.finish()

    def _latest(self) -> Iterator[Record]:
        """What was laid aside and is still true: a source may change or delete while it is read."""
        for place, record in enumerate(self._spool.drain()):
            if self._to_store.get(record.id) == place:
                yield record

    def _store(self, records: Sequence[Record]) -> None:
        cut = [(record, passages) for record in records if (passages := self._cut(record))]
        embedded = self._embed([passage for _, passages in cut for passage in passages])
        durable.step("batch-embedded")
        batch = [(record, list(islice(embedded, len(passages)))) for record, passages in cut]
        for record, points in batch:
            is_new = self._writer.entry(record.id) is None
            self.report.added += is_new
            self.report.changed += not is_new
            self.report.passages += len(points)
        self._writer.put(batch)

    def _cut(self, record: Record) -> Sequence[Passage]:
        try:
            passages = self._tools.chunk(record)
        except RagError as error:
            self.report.fail(record.key, "chunking", str(error))
            return ()
        if not passages:
            self.report.fail(record.key, "chunking", "The record has no text.")
        return passages

    def _embed(self, passages: Sequence[Passage]) -> Iterator[EmbeddedPassage]:
        texts = [passage.embedded_text() for passage in passages]
        vectors = self._tools.embedder.embed_passages(texts)
        for passage, text, vector in zip(passages, texts, vectors, strict=True):
            sparse = self._tools.encode(text, passage.language)
            yield EmbeddedPassage(passage=passage, vector=vector, sparse=sparse)


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
