"""Broken stores and writers of an index: each does one thing wrong and the rest by a good one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from indexes.edge import bm25
from rag.core.contracts import (
    Hits,
    Index,
    IndexStore,
    IndexWriter,
    LedgerEntry,
    SearchRequest,
)
from rag.core.errors import Busy, NotFound
from rag.core.filters import FacetCount, Filter
from rag.core.records import EmbeddedPassage, Labels, Passage, Record
from tests.contracts.index_material import EMBEDDER, NOBODY, PUBLIC, Engine
from tests.contracts.index_reading_faults import FaultyIndex

Batch = Sequence[tuple[Record, Sequence[EmbeddedPassage]]]


class FaultyWriter:
    """Passes everything on. `memory` is one for all writers of one engine."""

    memory: ClassVar[dict[str, Any]] = {}

    def __init__(self, good: IndexWriter) -> None:
        self.good = good

    @property
    def fresh(self) -> bool:
        return self.good.fresh

    def put(self, batch: Batch) -> None:
        self.good.put(batch)

    def relabel(self, record_id: str, labels: Labels) -> None:
        self.good.relabel(record_id, labels)

    def delete(self, record_id: str) -> None:
        self.good.delete(record_id)

    def sources(self) -> frozenset[str]:
        return self.good.sources()

    def entries(self, source: str) -> Iterator[LedgerEntry]:
        return self.good.entries(source)

    def entry(self, record_id: str) -> LedgerEntry | None:
        return self.good.entry(record_id)

    def cursor(self, source: str) -> str | None:
        return self.good.cursor(source)

    def set_cursor(self, source: str, cursor: str | None) -> None:
        self.good.set_cursor(source, cursor)

    def publish(self) -> str:
        return self.good.publish()


class FaultyStore:
    """Passes everything on, through the faulty reader and the faulty writer."""

    index: type[FaultyIndex] = FaultyIndex
    writer: type[FaultyWriter] = FaultyWriter

    def __init__(self, good: IndexStore) -> None:
        self.good = good

    @property
    def name(self) -> str:
        return self.good.name

    def ping(self) -> None:
        self.good.ping()

    @contextmanager
    def pin(self) -> Iterator[Index]:
        with self.good.pin() as index:
            yield self.index(index)

    @contextmanager
    def write(self) -> Iterator[IndexWriter]:
        with self.good.write() as writer:
            yield self.writer(writer)


def spoil(engine: Engine, fault: type) -> Engine:
    """The engine with one fault: a store, an index, a writer, or a whole engine of its own."""
    if issubclass(fault, ForgottenRevocations):
        return replace(engine, revoked=list)
    store = _store_with(fault)
    return replace(
        engine,
        open=lambda: store(engine.open()),
        open_other=lambda: store(engine.open_other()),
    )


def _store_with(fault: type) -> type[FaultyStore]:
    if issubclass(fault, FaultyStore):
        return fault
    if issubclass(fault, FaultyIndex):
        return type(fault.__name__, (FaultyStore,), {"index": fault})
    writer = type(fault.__name__, (fault,), {"memory": {}})
    return type(fault.__name__, (FaultyStore,), {"writer": writer})


class ForgottenRevocations:
    """The log stays empty."""


# --- stores ----------------------------------------------------------------------------------


class PinsBeforeTheFirst(FaultyStore):
    @contextmanager
    def pin(self) -> Iterator[Index]:
        try:
            with self.good.pin() as index:
                yield index
        except NotFound:
            yield EmptyIndex()


class EmptyIndex:
    version = "none"

    def search(self, request: SearchRequest) -> Hits:
        return Hits(dense=(), sparse=())

    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        return ()

    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        return 0

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        return iter(())


class HasAnotherName(FaultyStore):
    @property
    def name(self) -> str:
        return "index"


class NeverLooksAgain(FaultyStore):
    def __init__(self, good: IndexStore) -> None:
        super().__init__(good)
        self.opened: list[Passage] | None = None

    @contextmanager
    def pin(self) -> Iterator[Index]:
        with self.good.pin() as index:
            if self.opened is None:
                self.opened = list(index.scroll(labels=PUBLIC))
            yield _Frozen(index, self.opened)


class _Frozen(FaultyIndex):
    def __init__(self, good: Index, passages: list[Passage]) -> None:
        super().__init__(good)
        self.passages = passages

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        return iter(self.passages)


class PinsNothing(FaultyStore):
    @contextmanager
    def pin(self) -> Iterator[Index]:
        with self.good.pin():
            yield _Moving(self.good)


class _Moving(FaultyIndex):
    """Reads whatever is live at the moment."""

    def __init__(self, store: IndexStore) -> None:
        self.store = store

    @property
    def version(self) -> str:
        with self.store.pin() as index:
            return index.version

    def search(self, request: SearchRequest) -> Hits:
        with self.store.pin() as index:
            return index.search(request)

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        with self.store.pin() as index:
            yield from index.scroll(labels=labels, filter=filter)


class TwoWriters(FaultyStore):
    @contextmanager
    def write(self) -> Iterator[IndexWriter]:
        try:
            with self.good.write() as writer:
                yield writer
        except Busy:
            yield _Idle()


class _Idle(FaultyWriter):
    def __init__(self) -> None:
        pass


class PublishesOnLeaving(FaultyStore):
    @contextmanager
    def write(self) -> Iterator[IndexWriter]:
        with self.good.write() as writer:
            yield writer
            writer.publish()


class ReadsAnySchema(FaultyStore):
    @contextmanager
    def pin(self) -> Iterator[Index]:
        try:
            with self.good.pin() as index:
                yield index
        except NotFound as error:
            if "never" in str(error):
                raise
            yield EmptyIndex()


# --- writers ---------------------------------------------------------------------------------


class NeverFresh(FaultyWriter):
    @property
    def fresh(self) -> bool:
        return False


class KeepsTheFirstVersion(FaultyWriter):
    def put(self, batch: Batch) -> None:
        super().put([each for each in batch if self.entry(each[0].id) is None])


class LeavesSurplus(FaultyWriter):
    """Hands a record over under as many passages as its longest version had."""

    def put(self, batch: Batch) -> None:
        filled = []
        for record, passages in batch:
            surplus = self.memory.get(record.id, ())[len(passages) :]
            self.memory[record.id] = (*passages, *surplus)
            filled.append((record, self.memory[record.id]))
        super().put(filled)


class RelabelsNothing(FaultyWriter):
    def relabel(self, record_id: str, labels: Labels) -> None:
        pass


class RelabelsByDeleting(FaultyWriter):
    def relabel(self, record_id: str, labels: Labels) -> None:
        super().delete(record_id)


class DeletesNothing(FaultyWriter):
    def delete(self, record_id: str) -> None:
        pass


class HidesInsteadOfDeleting(FaultyWriter):
    def delete(self, record_id: str) -> None:
        super().relabel(record_id, NOBODY)


class KnowsNoUnknown(FaultyWriter):
    def delete(self, record_id: str) -> None:
        if self.entry(record_id) is None:
            raise NotFound(f"There is no {record_id}.")
        super().delete(record_id)


class DeletesEveryOther(FaultyWriter):
    """A second delete of one id brings the record back."""

    def put(self, batch: Batch) -> None:
        self.memory.update({each[0].id: each for each in batch})
        super().put(batch)

    def delete(self, record_id: str) -> None:
        if self.entry(record_id) is None and record_id in self.memory:
            super().put([self.memory[record_id]])
        else:
            super().delete(record_id)


class EntriesOfAllSources(FaultyWriter):
    def entries(self, source: str) -> Iterator[LedgerEntry]:
        yield from super().entries("wiki")
        if source != "wiki":
            yield from super().entries(source)


class EntriesWithoutExpiry(FaultyWriter):
    def entries(self, source: str) -> Iterator[LedgerEntry]:
        return (replace(each, valid_until="") for each in super().entries(source))


class EntriesEndEarly(FaultyWriter):
    def entries(self, source: str) -> Iterator[LedgerEntry]:
        for count, entry in enumerate(super().entries(source)):
            if count < 1000:
                yield entry


class ForgetsTheCursor(FaultyWriter):
    def set_cursor(self, source: str, cursor: str | None) -> None:
        pass


class CursorsAside(FaultyWriter):
    """Cursors are durable at once, whatever becomes of the data."""

    def cursor(self, source: str) -> str | None:
        return self.memory.get(source)

    def set_cursor(self, source: str, cursor: str | None) -> None:
        self.memory[source] = cursor


class CursorsAsRecords(FaultyWriter):
    """Keeps a cursor as something that can be found."""

    def set_cursor(self, source: str, cursor: str | None) -> None:
        note = Record(source="cursor", key=source, kind="page", text=cursor or "", labels=PUBLIC)
        passage = Passage(
            record_id=note.id,
            ordinal=0,
            text=note.text,
            title="",
            url="",
            heading_path=(),
            language="en",
            kind="page",
            source="cursor",
            labels=PUBLIC,
        )
        vector = EMBEDDER.embed_query(note.text)
        sparse = bm25.encode_passage(note.text, "en")
        embedded = EmbeddedPassage(passage=passage, vector=vector, sparse=sparse)
        super().put([(note, [embedded])])


class PublishesOnlySomething(FaultyWriter):
    did: bool = False

    def put(self, batch: Batch) -> None:
        self.did = self.did or bool(batch)
        super().put(batch)

    def publish(self) -> str:
        return super().publish() if self.did else ""


class PublishesOnce(FaultyWriter):
    published = ""

    def publish(self) -> str:
        self.published = self.published or super().publish()
        return self.published
