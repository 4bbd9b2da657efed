"""Joins the dense and the BM25 ranking of one search into one relevance per passage.

Pure functions: the same for both engines.
"""

from collections.abc import Mapping, Sequence

from rag.core.answers import ScoredPassage
from rag.core.contracts import Hits
from rag.core.records import Passage

BM25_HALF = 12.0
"""The BM25 score that counts as half of the largest possible relevance of that side."""

DENSE_WEIGHT: Mapping[str, float] = {"de": 0.35, "en": 0.6}
"""Weight of the cosine by the question's language, for an embedder that knows English best."""


def fuse(hits: Hits, *, dense_weight: float) -> list[ScoredPassage]:
    """A convex combination of both sides, in [0, 1], best first.

    Rank fusion (RRF) throws the scores away and is often worse than its better half. Here each side
    is brought to [0, 1] by a fixed function, so that a score means the same for every question:
    the cosine cut at 0, and BM25 by s / (s + BM25_HALF). A passage that one side did not return
    has 0 on that side.
    """
    dense = {hit.passage.id: hit.score for hit in hits.dense}
    sparse = {hit.passage.id: hit.score for hit in hits.sparse}
    passages = {hit.passage.id: hit.passage for hit in (*hits.dense, *hits.sparse)}
    scored = [
        _scored(passage, dense.get(key), sparse.get(key), dense_weight)
        for key, passage in passages.items()
    ]
    return sorted(scored, key=_best_first)


def best_of_each_record(scored: Sequence[ScoredPassage]) -> list[ScoredPassage]:
    """The first passage of every record, order kept."""
    seen: set[str] = set()
    best = []
    for each in scored:
        if each.passage.record_id not in seen:
            seen.add(each.passage.record_id)
            best.append(each)
    return best


def _best_first(each: ScoredPassage) -> tuple[float, str, int]:
    return -each.score, each.passage.record_id, each.passage.ordinal


def _scored(
    passage: Passage, dense: float | None, sparse: float | None, dense_weight: float
) -> ScoredPassage:
    similarity = min(1.0, max(0.0, dense or 0.0))
    matching = (sparse or 0.0) / ((sparse or 0.0) + BM25_HALF)
    score = dense_weight * similarity + (1 - dense_weight) * matching
    return ScoredPassage(passage=passage, score=score, dense=dense, sparse=sparse)
