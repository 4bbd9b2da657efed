"""The hybrid retriever: embeds the question, asks both sides of the index, fuses, deduplicates."""

from collections.abc import Callable, Mapping

from indexes.fusion import DENSE_WEIGHT, best_of_each_record, fuse
from rag.core.answers import Question, Retrieved
from rag.core.contracts import Embedder, IndexStore, SearchRequest
from rag.core.definitions.bots import RetrieverSettings
from rag.core.filters import And
from rag.core.records import Labels, SparseVector


class HybridRetriever:
    """A `Retriever` over one index and some of its sources."""

    def __init__(
        self,
        store: IndexStore,
        embedder: Embedder,
        settings: RetrieverSettings,
        *,
        sources: tuple[str, ...],
        encode_query: Callable[[str], Mapping[str, SparseVector]],
        detect: Callable[[str], str],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._sources = sources
        self._encode_query = encode_query
        self._detect = detect

    def retrieve(self, question: Question, *, labels: Labels, limit: int) -> Retrieved:
        """See `Retriever.retrieve`. The live version is pinned for the length of the call.

        Raises:
            NotFound: the index was never built.
            BadQuestion: a filter does not fit the index.
            RetryLater: the engine is down.
        """
        request = SearchRequest(
            vector=self._embedder.embed_query(question.text),
            sparse=self._encode_query(question.text),
            labels=labels,
            limit=max(self._settings.candidates, limit),
            filter=And(filters=question.filters) if question.filters else None,
            sources=self._sources,
        )
        with self._store.pin() as index:
            hits = index.search(request)
            generation = index.version
        fused = fuse(hits, dense_weight=self._dense_weight(question))
        relevant = [each for each in fused if each.score >= self._settings.min_score]
        return Retrieved(
            passages=tuple(best_of_each_record(relevant)[:limit]),
            filters=question.filters,
            searched=self._sources,
            generation=generation,
        )

    def _dense_weight(self, question: Question) -> float:
        language = question.language or self._detect(question.text)
        own = {str(each): weight for each, weight in self._settings.dense_weight.items()}
        weights = {**DENSE_WEIGHT, **own}
        return weights.get(language, weights["en"])
