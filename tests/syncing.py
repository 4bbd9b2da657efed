"""A source, an index and everything between them, for tests of a sync."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from indexes.edge import bm25
from indexes.spool import Spool
from indexes.sync import Encode, SourceReport, SourceSync, Tools
from rag.core.contracts import Embedder, IndexStore, IndexWriter, Progress, Silent
from rag.core.definitions.indexes import SweepGuard
from rag.core.errors import BadDocument
from rag.core.records import Labels, Passage, Record, Vector
from tests.contracts.index_material import embed, everything, make
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
        with ExitStack() as stack:
            writer = stack.enter_context(self.store.write())
            run = self.begin(stack, writer, now=now)
            run.run(full=full)
            writer.publish()
        return run.report

    def begin(self, stack: ExitStack, writer: IndexWriter, *, now: datetime = NOW) -> SourceSync:
        """A run that has not begun."""
        tools = Tools(
            chunk=chunk,
            embedder=self.embedder,
            encode=self.encode,
            guard=self.guard,
            progress=self.progress,
        )
        return SourceSync(
            self.source,
            writer,
            stack.enter_context(Spool(self.folder)),
            tools,
            SourceReport(source=self.source.name, index="campus"),
            definition=self.definition,
            failure_threshold=self.failure_threshold,
            now=now,
        )

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


def counts(report: SourceReport) -> dict[str, int]:
    """What a report counts, zeros left out."""
    names = ("seen", "added", "changed", "relabelled", "deleted", "unchanged", "failed")
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def fill(bench: Bench, count: int = 12, **changes: object) -> None:
    """Give the source so many records, named by numbers."""
    bench.source.put(*(make(f"{i:02}", f"text {i}", **changes) for i in range(count)))


class Watcher(HashEmbedder):
    """Looks at the live version whenever it is asked to embed."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__(32)
        self.look = look

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.look()
        return super().embed_passages(texts)
