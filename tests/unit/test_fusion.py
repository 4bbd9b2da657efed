"""Fusion: bounds, order, one entry a passage."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.fusion import BM25_HALF, best_of_each_record, fuse
from rag.core.answers import ScoredPassage
from rag.core.contracts import Hit, Hits
from rag.core.records import Passage
from tests.contracts.index_material import embed, make

PASSAGES: tuple[Passage, ...] = tuple(
    each.passage for key in "abcd" for each in embed(make(key, "one\n\ntwo\n\nthree"))
)
_COSINES = st.floats(-1.001, 1.001)
_BM25 = st.floats(0, 500)
_WEIGHTS = st.floats(0, 1)


def _hits(scores: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[Hit, ...]]:
    """A ranking: every passage at most once, scores falling."""
    pairs = st.dictionaries(st.integers(0, len(PASSAGES) - 1), scores)
    return pairs.map(
        lambda found: tuple(
            Hit(passage=PASSAGES[i], score=score)
            for i, score in sorted(found.items(), key=lambda pair: -pair[1])
        )
    )


def hit(number: int, score: float) -> Hit:
    return Hit(passage=PASSAGES[number], score=score)


@given(_hits(_COSINES), _hits(_BM25), _WEIGHTS)
def test_what_is_always_true(
    dense: tuple[Hit, ...], sparse: tuple[Hit, ...], weight: float
) -> None:
    fused = fuse(Hits(dense=dense, sparse=sparse), dense_weight=weight)
    ids = [each.passage.id for each in fused]
    assert len(ids) == len(set(ids))
    assert set(ids) == {each.passage.id for each in (*dense, *sparse)}
    assert all(0 <= each.score <= 1 for each in fused)
    ranks = [(-each.score, each.passage.record_id, each.passage.ordinal) for each in fused]
    assert ranks == sorted(ranks)
    raw = {each.passage.id: each.score for each in dense}
    assert all(each.dense == raw.get(each.passage.id) for each in fused)
    raw = {each.passage.id: each.score for each in sparse}
    assert all(each.sparse == raw.get(each.passage.id) for each in fused)


@given(_hits(_COSINES), _hits(_BM25), _WEIGHTS)
def test_a_score_is_the_passage_s_own(
    dense: tuple[Hit, ...], sparse: tuple[Hit, ...], weight: float
) -> None:
    """What else was found does not change it: scores of two questions can be compared."""
    fused = fuse(Hits(dense=dense, sparse=sparse), dense_weight=weight)
    for each in fused:
        alone = Hits(
            dense=tuple(h for h in dense if h.passage == each.passage),
            sparse=tuple(h for h in sparse if h.passage == each.passage),
        )
        assert fuse(alone, dense_weight=weight) == [each]


@given(_BM25, _BM25, _COSINES, _WEIGHTS)
def test_more_on_either_side_is_never_less(
    low: float, high: float, cosine: float, weight: float
) -> None:
    low, high = sorted((low, high))
    scores = [
        fuse(Hits(dense=(hit(0, cosine),), sparse=(hit(0, each),)), dense_weight=weight)[0].score
        for each in (low, high)
    ]
    assert scores[0] <= scores[1]


def test_the_weight_decides_between_the_sides() -> None:
    hits = Hits(dense=(hit(0, 0.8), hit(1, 0.2)), sparse=(hit(1, 30.0), hit(0, 1.0)))
    assert [e.passage for e in fuse(hits, dense_weight=1)] == [PASSAGES[0], PASSAGES[1]]
    assert [e.passage for e in fuse(hits, dense_weight=0)] == [PASSAGES[1], PASSAGES[0]]


def test_the_formula() -> None:
    both = Hits(dense=(hit(0, 0.8),), sparse=(hit(0, BM25_HALF),))
    assert math.isclose(fuse(both, dense_weight=0.25)[0].score, 0.25 * 0.8 + 0.75 * 0.5)
    below = Hits(dense=(hit(0, -0.5),), sparse=())
    assert fuse(below, dense_weight=0.5)[0] == ScoredPassage(
        passage=PASSAGES[0], score=0.0, dense=-0.5, sparse=None
    )


def test_nothing_found_is_nothing() -> None:
    assert fuse(Hits(dense=(), sparse=()), dense_weight=0.5) == []


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_ties_are_in_order_of_record_and_ordinal(weight: float) -> None:
    dense = tuple(hit(number, 0.5) for number in (7, 2, 11, 0, 5))
    sparse = tuple(hit(number, 3.0) for number in (5, 11, 0, 7, 2))
    fused = fuse(Hits(dense=dense, sparse=sparse), dense_weight=weight)
    assert [each.passage for each in fused] == [PASSAGES[number] for number in (0, 2, 5, 7, 11)]


@given(_hits(_COSINES))
def test_one_passage_a_record_remains_its_best(dense: tuple[Hit, ...]) -> None:
    fused = fuse(Hits(dense=dense, sparse=()), dense_weight=1)
    best = best_of_each_record(fused)
    records = [each.passage.record_id for each in best]
    assert len(records) == len(set(records))
    assert set(records) == {each.passage.record_id for each in fused}
    assert best == [each for each in fused if each in best]
    for each in best:
        same = [e.score for e in fused if e.passage.record_id == each.passage.record_id]
        assert each.score == max(same)
