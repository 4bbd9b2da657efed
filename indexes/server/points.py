"""The points of one collection on a Qdrant server: reading and writing through qdrant-client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID, uuid5

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from indexes import payload
from indexes.pinned import Scored, by_score
from rag.core.contracts import LedgerEntry, SearchRequest
from rag.core.definitions.engines import ServerEngine
from rag.core.definitions.sources import FacetType
from rag.core.errors import BadInput, RagError, RetryLater
from rag.core.records import EmbeddedPassage, Labels, SparseVector, passage_id

_TYPES: dict[FacetType, models.PayloadSchemaType] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.PayloadSchemaType.INTEGER,
    "number": models.PayloadSchemaType.FLOAT,
    "boolean": models.PayloadSchemaType.BOOL,
    "date": models.PayloadSchemaType.DATETIME,
}
_NOTES = UUID("2f6b8f0e-8b5c-5a52-9d0a-94b6f9a1d0aa")
_PAGE = 500
_T = TypeVar("_T")


class Collection:
    """One collection; `Points` for reading, and everything the writer needs."""

    def __init__(self, client: QdrantClient, name: str) -> None:
        self._client = client
        self.name = name

    def create(self, dimension: int, schema: payload.Schema, engine: ServerEngine) -> None:
        """An empty collection with every payload index."""
        params = models.SparseVectorParams(modifier=models.Modifier.IDF)
        asked(
            lambda: self._client.create_collection(
                self.name,
                vectors_config={
                    payload.DENSE: models.VectorParams(
                        size=dimension, distance=models.Distance.COSINE
                    )
                },
                sparse_vectors_config={
                    payload.sparse_field(language): params for language in payload.LANGUAGES
                },
                shard_number=engine.shards,
                replication_factor=engine.replicas,
                write_consistency_factor=engine.write_consistency,
            )
        )
        for field, kind in payload.indexed_fields(schema).items():
            self._index(field, _TYPES[kind])

    def search(
        self, request: SearchRequest, condition: payload.Json, hnsw_ef: int
    ) -> tuple[list[Scored], list[Scored]]:
        """See `Points.search`."""
        where = models.Filter.model_validate(condition)
        # Without ACORN a label and a facet together can cut the graph apart.
        acorn = models.AcornSearchParams(enable=True)
        params = models.SearchParams(hnsw_ef=hnsw_ef, exact=request.exact, acorn=acorn)
        queries: list[tuple[str, Any]] = [(payload.DENSE, list(request.vector))]
        queries += [(field, _sparse(vector)) for field, vector in request.sparse.items()]
        batch = [
            models.QueryRequest(
                query=query,
                using=using,
                filter=where,
                params=params,
                limit=request.limit,
                with_payload=True,
            )
            for using, query in queries
        ]
        answers = asked(lambda: self._client.query_batch_points(self.name, requests=batch))
        dense, *sparse = [_scored(each.points) for each in answers]
        merged = sorted((hit for hits in sparse for hit in hits), key=by_score)
        return sorted(dense, key=by_score), merged[: request.limit]

    def facet(self, field: str, condition: payload.Json) -> list[tuple[str | int | bool, int]]:
        """See `Points.facet`."""
        where = models.Filter.model_validate(condition)
        found = asked(
            lambda: self._client.facet(
                self.name, key=field, facet_filter=where, limit=100_000, exact=True
            )
        )
        return [(hit.value, hit.count) for hit in found.hits]

    def count(self, condition: payload.Json) -> int:
        """See `Points.count`."""
        where = models.Filter.model_validate(condition)
        return asked(lambda: self._client.count(self.name, count_filter=where, exact=True)).count

    def scroll(self, condition: payload.Json) -> Iterator[Mapping[str, Any]]:
        """See `Points.scroll`."""
        return self._scroll(condition)

    def upsert(
        self, passages: Sequence[EmbeddedPassage], entries: Mapping[str, LedgerEntry]
    ) -> None:
        """Insert or replace points; ordinal 0 of a record carries its ledger entry."""
        points = [_point(each, entries) for each in passages]
        if points:
            asked(lambda: self._client.upsert(self.name, points=points, wait=True))

    def confirm(self, entries: Sequence[LedgerEntry]) -> None:
        """Write the ledger entries of records whose points are all there."""
        operations = [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(
                    payload={"entry": _entry_values(entry)}, points=[passage_id(entry.record_id, 0)]
                )
            )
            for entry in entries
        ]
        asked(lambda: self._client.batch_update_points(self.name, operations, wait=True))

    def delete(self, record_id: str, first: int, last: int) -> None:
        """Remove the ordinals from `first` up to, not including, `last`."""
        ids: list[int | str | UUID] = [passage_id(record_id, n) for n in range(first, last)]
        if ids:
            selector = models.PointIdsList(points=ids)
            asked(lambda: self._client.delete(self.name, points_selector=selector, wait=True))

    def relabel(self, record_id: str, labels: Labels) -> None:
        """Replace the labels of all the record's points."""
        where = models.Filter.model_validate(_of_record(record_id))
        values = {"labels": sorted(labels)}
        asked(lambda: self._client.set_payload(self.name, payload=values, points=where, wait=True))

    def note(self, topic: str, values: Mapping[str, Any] | None) -> None:
        """Keep or remove a note beside the data. It carries no label, so no search finds it."""
        note_id = str(uuid5(_NOTES, topic))
        if values is None:
            selector = models.PointIdsList(points=[note_id])
            asked(lambda: self._client.delete(self.name, points_selector=selector, wait=True))
            return
        point = models.PointStruct(id=note_id, vector={}, payload={"note": topic, **values})
        asked(lambda: self._client.upsert(self.name, points=[point], wait=True))

    def noted(self, topic: str) -> Mapping[str, Any] | None:
        """What `note` kept."""
        note_id = str(uuid5(_NOTES, topic))
        found = asked(lambda: self._client.retrieve(self.name, [note_id], with_payload=True))
        return found[0].payload if found else None

    def entries(self) -> Iterator[LedgerEntry]:
        """The ledger entries that the collection carries."""
        where = {"must": [{"key": "ordinal", "match": {"value": 0}}]}
        for found in self._scroll(where, ["record", "source", "labels", "entry"]):
            yield _entry(found)

    def _index(self, field: str, kind: models.PayloadSchemaType) -> None:
        asked(lambda: self._client.create_payload_index(self.name, field, kind, wait=True))

    def _scroll(
        self, condition: payload.Json, fields: list[str] | None = None
    ) -> Iterator[Mapping[str, Any]]:
        where, offset = models.Filter.model_validate(condition), None
        while True:
            points, offset = self._page(where, offset, fields)
            yield from (point.payload or {} for point in points)
            if offset is None:
                return

    def _page(
        self, where: models.Filter, offset: Any, fields: list[str] | None
    ) -> tuple[list[models.Record], Any]:
        return asked(
            lambda: self._client.scroll(
                self.name,
                scroll_filter=where,
                limit=_PAGE,
                offset=offset,
                with_payload=fields or True,
            )
        )


def asked(call: Callable[[], _T]) -> _T:
    """The call's result.

    Raises:
        RetryLater: the server does not answer or is overloaded.
        BadInput: it refuses the call.
    """
    try:
        return call()
    except RagError:
        raise
    except ResponseHandlingException as error:
        raise _down(str(error.source)) from error
    except ApiException as error:
        raise _refused(error) from error
    except Exception as error:
        # gRPC has an exception tree of its own, which comes with the client.
        code = getattr(error, "code", None)
        if code is None:
            raise
        raise _down(str(code())) from error


def _down(how: str) -> RetryLater:
    return RetryLater(
        f"The Qdrant server does not answer ({how}).",
        mend="Check engine.url in rag.yaml and that the server runs.",
    )


def _refused(error: ApiException) -> RagError:
    status = getattr(error, "status_code", None)
    if status in {401, 403}:
        return BadInput(
            "The Qdrant server refuses the API key.", mend="Check engine.api_key_env in rag.yaml."
        )
    if status is not None and 400 <= status < 500 and status not in {408, 429}:  # noqa: PLR2004 - HTTP
        return BadInput(f"The Qdrant server refuses the call (status {status}).")
    return _down(f"status {status}")


def _of_record(record_id: str) -> payload.Json:
    return {"must": [{"key": "record", "match": {"value": record_id}}]}


def _point(embedded: EmbeddedPassage, entries: Mapping[str, LedgerEntry]) -> models.PointStruct:
    passage = embedded.passage
    vectors: dict[str, Any] = {payload.DENSE: list(embedded.vector)}
    if embedded.sparse.indices:
        vectors[payload.sparse_field(passage.language)] = _sparse(embedded.sparse)
    values = payload.to_payload(passage)
    if passage.ordinal == 0:
        values["entry"] = _entry_values(entries[passage.record_id])
    return models.PointStruct(id=passage.id, vector=vectors, payload=values)


def _entry_values(entry: LedgerEntry) -> payload.Json:
    return {
        "partition": entry.partition,
        "digest": entry.digest,
        "passages": entry.passages,
        "valid_until": entry.valid_until,
    }


def _entry(found: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        record_id=found["record"],
        source=found["source"],
        labels=frozenset(found["labels"]),
        **found["entry"],
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def _scored(points: Sequence[models.ScoredPoint]) -> list[Scored]:
    return [(point.payload or {}, point.score) for point in points]
