"""What the contract of indexes is checked with: an engine, records, and what they should become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from indexes.edge import bm25
from rag.core.contracts import Hit, Index, IndexStore, SearchRequest
from rag.core.definitions.sources import Facet
from rag.core.filters import Filter
from rag.core.records import EmbeddedPassage, Labels, Passage, Record
from tests.fakes import HashEmbedder

EMBEDDER = HashEmbedder(32)
FACETS = {
    "level": Facet(),
    "programmes": Facet(many=True),
    "semester": Facet(type="integer"),
    "ects": Facet(type="number"),
    "remote": Facet(type="boolean"),
    "starts": Facet(type="date"),
    "sessions": Facet(type="date", many=True),
}
OTHER_FACETS = {"colour": Facet()}
PUBLIC: Labels = frozenset({"public"})
NOBODY: Labels = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine with one empty index in it.

    `open_other` gives a store of the same index under another schema. `in_place` says that writes
    are visible before `publish`, except in a fresh version. `revoked` lists the revocation log.
    """

    open: Callable[[], IndexStore]
    open_other: Callable[[], IndexStore]
    revoked: Callable[[], Sequence[tuple[str, Labels | None]]]
    in_place: bool


Check = Callable[[Engine], None]


def make(key: str, text: str = "eduroam on a phone", **changes: object) -> Record:
    """A record that everybody may read, with some of its fields changed."""
    base = Record(
        source="wiki",
        key=key,
        kind="page",
        text=text,
        title=f"Page {key}",
        url=f"https://wiki.example/{key}",
        labels=PUBLIC,
        language="en",
        updated_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def embed(record: Record) -> tuple[EmbeddedPassage, ...]:
    """One passage a paragraph."""
    pieces = record.text.split("\n\n")
    return tuple(_embed(record, ordinal, piece) for ordinal, piece in enumerate(pieces))


def _embed(record: Record, ordinal: int, text: str) -> EmbeddedPassage:
    language = record.language or "en"
    passage = Passage(
        record_id=record.id,
        ordinal=ordinal,
        text=text,
        title=record.title,
        url=f"{record.url}#{ordinal}",
        heading_path=(record.title, f"Part {ordinal}"),
        language=language,
        kind=record.kind,
        source=record.source,
        labels=record.labels,
        updated_at=record.updated_at,
        facets=record.facets,
    )
    whole = passage.embedded_text()
    return EmbeddedPassage(
        passage=passage,
        vector=EMBEDDER.embed_query(whole),
        sparse=bm25.encode_passage(whole, language),
    )


def request(
    text: str = "eduroam phone",
    *,
    labels: Labels = PUBLIC,
    limit: int = 10,
    filter: Filter | None = None,
    sources: tuple[str, ...] = (),
    exact: bool = True,
) -> SearchRequest:
    """An exact search for the text."""
    return SearchRequest(
        vector=EMBEDDER.embed_query(text),
        sparse=bm25.encode_query(text),
        labels=labels,
        limit=limit,
        filter=filter,
        sources=sources,
        exact=exact,
    )


def store_all(store: IndexStore, *records: Record) -> str:
    """Put and publish."""
    with store.write() as writer:
        writer.put([(record, embed(record)) for record in records])
        return writer.publish()


def everything(index: Index, labels: Labels = PUBLIC) -> dict[str, Passage]:
    """Every visible passage by its id."""
    found = list(index.scroll(labels=labels))
    by_id = {passage.id: passage for passage in found}
    assert len(by_id) == len(found)
    return by_id


def expected(*records: Record) -> dict[str, Passage]:
    """The passages that these records have."""
    return {each.passage.id: each.passage for record in records for each in embed(record)}


def ids(hits: Sequence[Hit]) -> set[str]:
    return {hit.passage.record_id for hit in hits}
