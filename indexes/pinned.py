"""One pinned version of an index, for reading: the same on both engines.

What an engine must be able to do is `Points`; who may see what is decided here, once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from indexes import payload
from rag.core.contracts import Hit, Hits, SearchRequest
from rag.core.errors import BadQuestion, nearest
from rag.core.filters import FacetCount, Filter
from rag.core.records import Labels, Passage

Scored = tuple[Mapping[str, Any], float]


class Points(Protocol):
    """The points of one version in one engine. Conditions are Qdrant's REST filters."""

    def search(
        self, request: SearchRequest, condition: payload.Json, hnsw_ef: int
    ) -> tuple[list[Scored], list[Scored]]:
        """Payloads with raw scores of the dense side and of the BM25 fields, best first."""

    def facet(self, field: str, condition: payload.Json) -> list[tuple[str | int | bool, int]]:
        """Values of an indexed keyword, integer or boolean field, with their exact counts."""

    def count(self, condition: payload.Json) -> int:
        """How many points meet the condition, exactly."""

    def scroll(self, condition: payload.Json) -> Iterator[Mapping[str, Any]]:
        """The payload of every point that meets the condition."""


class PinnedIndex:
    """An `Index` over one version's points."""

    def __init__(
        self, version: str, points: Points, schema: payload.Schema, *, hnsw_ef: int
    ) -> None:
        self._version = version
        self._points = points
        self._schema = schema
        self._hnsw_ef = hnsw_ef

    @property
    def version(self) -> str:
        """See `Index.version`."""
        return self._version

    def search(self, request: SearchRequest) -> Hits:
        """See `Index.search`."""
        where = payload.visible(request.labels, self._schema, request.filter, request.sources)
        if not request.labels:
            return Hits(dense=(), sparse=())
        dense, sparse = self._points.search(request, where, self._hnsw_ef)
        return Hits(dense=_hits(dense), sparse=_hits(sparse))

    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        """See `Index.facets`."""
        facet = self._schema.get(field)
        if facet is None:
            raise BadQuestion(f"There is no facet “{field}”.", mend=nearest(field, [*self._schema]))
        where = payload.records_only(payload.visible(labels, self._schema, filter))
        if not labels:
            return ()
        if facet.type in {"number", "date"}:
            # The engines count values of exact types only.
            return _by_frequency(_values(field, self._points.scroll(where)))
        return _by_frequency(dict(self._points.facet(f"facets.{field}", where)))

    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        """See `Index.count`."""
        where = payload.records_only(payload.visible(labels, self._schema, filter))
        return self._points.count(where) if labels else 0

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        """See `Index.scroll`."""
        where = payload.visible(labels, self._schema, filter)
        if labels:
            yield from map(payload.from_payload, self._points.scroll(where))


def by_score(scored: Scored) -> tuple[float, str, int]:
    """Sort key: falling score, ties by record and ordinal, so that both engines agree."""
    found, score = scored
    return -score, found["record"], found["ordinal"]


def _hits(scored: Iterable[Scored]) -> tuple[Hit, ...]:
    return tuple(Hit(passage=payload.from_payload(p), score=score) for p, score in scored)


def _values(field: str, payloads: Iterable[Mapping[str, Any]]) -> Mapping[str | float | bool, int]:
    counts: Counter[str | float | bool] = Counter()
    for each in payloads:
        value = (each["facets"] or {}).get(field)
        counts.update(value if isinstance(value, list) else [] if value is None else [value])
    return counts


def _by_frequency(counts: Mapping[str | float | bool, int]) -> tuple[FacetCount, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return tuple(FacetCount(value=value, count=count) for value, count in ordered)
