"""One shard of Qdrant Edge, the Rust engine in process: the only place that writes or reads one.

A shard has no write-ahead log: what was not flushed dies with the process, and any number of
processes may read it. That only one writes is seen to by the generations above.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qdrant_edge import (
    AcornSearchParams,
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FacetRequest,
    Modifier,
    PayloadSchemaType,
    Point,
    Query,
    QueryBatchRequest,
    QueryRequest,
    ScrollRequest,
    SearchParams,
    UpdateOperation,
)
from qdrant_edge import SparseVector as EdgeSparseVector

from indexes import durable, payload
from indexes.edge.conditions import to_filter
from indexes.pinned import Scored, by_score
from rag.core.contracts import SearchRequest
from rag.core.definitions.sources import FacetType
from rag.core.errors import Damaged
from rag.core.records import EmbeddedPassage, Labels, SparseVector, passage_id

_TYPES: dict[FacetType, PayloadSchemaType] = {
    "keyword": PayloadSchemaType.Keyword,
    "integer": PayloadSchemaType.Integer,
    "number": PayloadSchemaType.Float,
    "boolean": PayloadSchemaType.Bool,
    "date": PayloadSchemaType.Datetime,
}
_PAGE = 1000
_CONFIG = "edge_config.json"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is our own


class Shard:
    """An open shard; `close` lets go of it."""

    def __init__(self, edge: EdgeShard) -> None:
        self._edge = edge

    @classmethod
    def create(cls, folder: Path, dimension: int, schema: payload.Schema) -> "Shard":
        """An empty shard in a new folder, with every payload index."""
        folder.mkdir(parents=True)
        sparse = {
            payload.sparse_field(language): EdgeSparseVectorParams(modifier=Modifier.Idf)
            for language in payload.LANGUAGES
        }
        dense = {payload.DENSE: EdgeVectorParams(size=dimension, distance=Distance.Cosine)}
        config = EdgeConfig(vectors=dense, sparse_vectors=sparse, wal_enabled=False)
        edge = EdgeShard.create(str(folder), config)
        for field, kind in payload.indexed_fields(schema).items():
            edge.update(UpdateOperation.create_field_index(field, _TYPES[kind]))
        return cls(edge)

    @classmethod
    def load(cls, folder: Path) -> "Shard":
        """Open a shard.

        Raises:
            Damaged: it can't be opened.
        """
        try:
            return cls(EdgeShard.load(str(folder)))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the engine's panics are no Exceptions
            if durable.is_full(error):
                raise
            raise Damaged(
                f"The index in {folder} can't be opened: {error}.",
                mend="Name another generation in CURRENT, or delete the index and run “rag sync”.",
            ) from error

    @classmethod
    def load_from_full_disk(cls, folder: Path) -> "Shard":
        """Open a shard for reading where the small file that opening writes finds no room.

        Raises:
            Damaged: it can't be opened.
        """
        with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as view:
            shutil.copy(folder / _CONFIG, view)
            (Path(view) / "segments").symlink_to(folder / "segments")
            return cls.load(Path(view))

    def upsert(self, passages: Sequence[EmbeddedPassage]) -> None:
        """Insert or replace the points of the passages."""
        points = [_point(each) for each in passages]
        if points:
            self._edge.update(UpdateOperation.upsert_points(points))

    def delete(self, record_id: str, first: int, last: int) -> None:
        """Remove the ordinals from `first` up to, not including, `last`."""
        ids = [passage_id(record_id, ordinal) for ordinal in range(first, last)]
        if ids:
            self._edge.update(UpdateOperation.delete_points(list(ids)))

    def relabel(self, record_id: str, passages: int, labels: Labels) -> None:
        """Replace the labels of a record's points."""
        ids = [passage_id(record_id, ordinal) for ordinal in range(passages)]
        if ids:
            values = {"labels": sorted(labels)}
            self._edge.update(UpdateOperation.set_payload(list(ids), values))

    def search(
        self, request: SearchRequest, condition: dict[str, Any], hnsw_ef: int
    ) -> tuple[list[Scored], list[Scored]]:
        """Payloads with raw scores of the dense side and of the BM25 fields, best first."""
        where = to_filter(condition)
        # Without ACORN a label and a facet together can cut the graph apart.
        acorn = AcornSearchParams(enable=True)
        params = SearchParams(hnsw_ef=hnsw_ef, exact=request.exact, acorn=acorn)
        queries = [Query.Nearest(list(request.vector), using=payload.DENSE)]
        for field, vector in request.sparse.items():
            queries.append(Query.Nearest(_sparse(vector), using=field))
        batch = [
            QueryRequest(
                limit=request.limit, query=query, filter=where, params=params, with_payload=True
            )
            for query in queries
        ]
        dense, *sparse = self._edge.query_batch(QueryBatchRequest(batch))
        merged = sorted(_scored([hit for hits in sparse for hit in hits]), key=by_score)
        return sorted(_scored(dense), key=by_score), merged[: request.limit]

    def facet(self, field: str, condition: dict[str, Any]) -> list[tuple[str | int | bool, int]]:
        """Values of an indexed keyword, integer or boolean field, with their exact counts."""
        where = to_filter(condition)
        request = FacetRequest(field, limit=100_000, exact=True, filter=where)
        return [(hit.value, hit.count) for hit in self._edge.facet(request).hits]

    def count(self, condition: dict[str, Any]) -> int:
        """How many points meet the condition, exactly."""
        return self._edge.count(CountRequest(filter=to_filter(condition), exact=True))

    def scroll(self, condition: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The payload of every point that meets the condition."""
        where, offset = to_filter(condition), None
        while True:
            request = ScrollRequest(offset=offset, limit=_PAGE, filter=where, with_payload=True)
            points, offset = self._edge.scroll(request)
            yield from (point.payload or {} for point in points)
            if offset is None:
                return

    def optimize(self) -> None:
        """Build the vector indexes of what was written."""
        self._edge.optimize()

    def flush(self) -> None:
        """Write out what is pending."""
        self._edge.flush()

    def close(self) -> None:
        """Let go; what was not flushed may be lost."""
        self._edge.close()


def settle(folder: Path) -> None:
    """Open and close once, after which opening changes no content of the shard any more.

    Its first opening merges journals into their files, which readers of a sealed shard must not do.
    """
    shard = Shard.load(folder)
    shard.flush()
    shard.close()


def _point(embedded: EmbeddedPassage) -> Point:
    passage = embedded.passage
    vectors: dict[str, Any] = {payload.DENSE: list(embedded.vector)}
    if embedded.sparse.indices:
        vectors[payload.sparse_field(passage.language)] = _sparse(embedded.sparse)
    return Point(passage.id, vectors, payload.to_payload(passage))


def _sparse(vector: SparseVector) -> EdgeSparseVector:
    return EdgeSparseVector(list(vector.indices), list(vector.values))


def _scored(points: Sequence[Any]) -> list[Scored]:
    return [(point.payload or {}, point.score) for point in points]
