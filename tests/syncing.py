"""A source, an index and everything between them, for tests of a sync."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from indexes.edge import bm25
from indexes.spool import Spool
from indexes.sync import Encode, SourceReport, SourceSync, Tools
from rag.core.contracts import Embedder, IndexStore, Progress, Silent, Source
from rag.core.definitions.indexes import SweepGuard
from rag.core.errors import BadDocument
from rag.core.records import Labels, Passage, Record
from tests.contracts.index_material import embed, everything
from tests.fakes import HashEmbedder, ListSource

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def chunk(record: Record) -> Sequence[Passage]:
    """One passage a paragraph; a text that says so can't be cut."""
    if "UNCUTTABLE" in record.text:
        raise BadDocument("This can't be cut.")
    return tuple(each.passage for each in embed(record)) if record.text.strip() else ()


@dataclass(slots=True, kw_only=True)
class Bench:
    """One source that is synced into one index, as often as the test wants."""

    store: IndexStore
    folder: Path
    source: ListSource = field(default_factory=ListSource)
    embedder: Embedder = field(default_factory=lambda: HashEmbedder(32))
    encode: Encode = bm25.encode_passage
    guard: SweepGuard = field(default_factory=SweepGuard)
    progress: Progress = field(default_factory=Silent)
    definition: str = "1"
    failure_threshold: float = 0.2

    def sync(self, *, full: bool = False, now: datetime = NOW) -> SourceReport:
        """One run, published; what it reports."""
        report = SourceReport(source=self.source.name, index="campus")
        tools = Tools(
            chunk=chunk,
            embedder=self.embedder,
            encode=self.encode,
            guard=self.guard,
            progress=self.progress,
        )
        source: Source = self.source
        with self.store.write() as writer, Spool(self.folder) as spool:
            SourceSync(
                source,
                writer,
                spool,
                tools,
                report,
                definition=self.definition,
                failure_threshold=self.failure_threshold,
                now=now,
            ).run(full=full)
            writer.publish()
        return report

    def passages(self, labels: Labels) -> dict[str, Passage]:
        """What the labels see in the live version, by id."""
        with self.store.pin() as index:
            return everything(index, labels)

    def texts(self, labels: Labels = frozenset({"public"})) -> dict[str, str]:
        """Key and text of every visible record, passages joined."""
        found: dict[str, list[tuple[int, str]]] = {}
        with self.store.pin() as index:
            for each in index.scroll(labels=labels):
                key = each.record_id.split(":", 1)[1]
                found.setdefault(key, []).append((each.ordinal, each.text))
        return {key: "\n\n".join(t for _, t in sorted(parts)) for key, parts in found.items()}
