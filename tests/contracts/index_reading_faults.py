"""Broken readers of an index: each does one thing wrong and the rest by a good one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.core.contracts import Hit, Hits, Index, SearchRequest
from rag.core.errors import BadQuestion
from rag.core.filters import FacetCount, Filter
from rag.core.records import Labels, Passage
from tests.contracts.index_material import PUBLIC

_ALL: Labels = PUBLIC | {"staff", "students"}


class FaultyIndex:
    """Passes everything on."""

    def __init__(self, good: Index) -> None:
        self.good = good

    @property
    def version(self) -> str:
        return self.good.version

    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(request)

    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        return self.good.facets(field, labels=labels, filter=filter)

    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        return self.good.count(labels=labels, filter=filter)

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        return self.good.scroll(labels=labels, filter=filter)


class NamesNoVersion(FaultyIndex):
    @property
    def version(self) -> str:
        return "latest"


class SearchesWithoutLabels(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(replace(request, labels=_ALL))


class ScrollsWithoutLabels(FaultyIndex):
    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        return self.good.scroll(labels=_ALL, filter=filter)


class CountsWithoutLabels(FaultyIndex):
    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        return self.good.count(labels=_ALL, filter=filter)


class FacetsWithoutLabels(FaultyIndex):
    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        return self.good.facets(field, labels=_ALL, filter=filter)


class FiltersLabelsAfterwards(FaultyIndex):
    """Labels are looked at when the best have been chosen: others take the places."""

    def search(self, request: SearchRequest) -> Hits:
        found = self.good.search(replace(request, labels=_ALL, limit=40))
        dense = tuple(h for h in found.dense if h.passage.labels & request.labels)
        return Hits(dense=dense, sparse=found.sparse)


class NobodyIsEverybody(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(replace(request, labels=request.labels or _ALL))


class LosesTheHeadings(FaultyIndex):
    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        for passage in self.good.scroll(labels=labels, filter=filter):
            yield replace(passage, heading_path=())


class NumbersAsTexts(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        hits = self.good.search(request)
        return replace(hits, dense=tuple(map(self._change, hits.dense)))

    def _change(self, hit: Hit) -> Hit:
        facets = {k: str(v) if k == "ects" else v for k, v in hit.passage.facets.items()}
        return replace(hit, passage=replace(hit.passage, facets=facets))


class ScrollsOnePage(FaultyIndex):
    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        for count, passage in enumerate(self.good.scroll(labels=labels, filter=filter)):
            if count < 1000:
                yield passage


class ScrollsTwice(FaultyIndex):
    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        yield from self.good.scroll(labels=labels, filter=filter)
        yield from self.good.scroll(labels=labels, filter=filter)


class ScoresByDistance(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        hits = self.good.search(request)
        return replace(hits, dense=tuple(replace(h, score=h.score + 1) for h in hits.dense))


class MissesTheBest(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        hits = self.good.search(replace(request, limit=request.limit + 1))
        return replace(hits, dense=hits.dense[1:])


class LeavesTiesAsTheyCome(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        hits = self.good.search(request)
        return replace(hits, dense=_backwards(hits.dense))


def _backwards(hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    return tuple(sorted(hits, key=lambda hit: (hit.score, hit.passage.record_id), reverse=True))


class IgnoresTheLimit(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(replace(request, limit=100))


class AsksOneLanguage(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        only = {name: v for name, v in request.sparse.items() if name == "bm25_en"}
        return self.good.search(replace(request, sparse=only))


class CountsTermsOnly(FaultyIndex):
    """BM25 without the weight of rare words."""

    def search(self, request: SearchRequest) -> Hits:
        hits = self.good.search(replace(request, limit=100))
        flat = sorted((replace(h, score=1.0) for h in hits.sparse), key=lambda h: h.passage.id)
        common = [hit for hit in flat if "rare" not in hit.passage.record_id]
        return replace(hits, sparse=tuple(common[: request.limit]))


class SearchesEverySource(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(replace(request, sources=()))


class SearchesWithoutFilter(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        return self.good.search(replace(request, filter=None))


class CountsWithoutFilter(FaultyIndex):
    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        return self.good.count(labels=labels)


class AnswersBadQuestions(FaultyIndex):
    def search(self, request: SearchRequest) -> Hits:
        try:
            return self.good.search(request)
        except BadQuestion:
            return Hits(dense=(), sparse=())


class CountsPassages(FaultyIndex):
    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        return sum(1 for _ in self.good.scroll(labels=labels, filter=filter))


class FacetsFromTheRarest(FaultyIndex):
    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        return self.good.facets(field, labels=labels, filter=filter)[::-1]
