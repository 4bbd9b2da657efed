"""The metrics: the contract, its planted faults, and values that were computed by hand."""

from collections.abc import Callable
from itertools import count
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.cases import Case
from evaluation.metrics import (
    CitationValidity,
    NormalizedGain,
    Recall,
    ReciprocalRank,
    RefusalAccuracy,
    deterministic_metrics,
)
from evaluation.results import CaseResult
from rag.core.answers import Answer, Refusal, RefusalReason
from tests.contracts import metric_contract as contract
from tests.contracts.metric_contract import RECORDS, case, citation, passage

REFUSED = Refusal(reason=RefusalReason.NOTHING_RELEVANT)


@pytest.mark.parametrize("metric", deterministic_metrics(5), ids=lambda metric: metric.name)
@pytest.mark.parametrize("check", contract.CHECKS)
def test_contract(check: contract.Check, metric: contract.CaseMetric) -> None:
    check(metric)


class Planted:
    """A metric of any behaviour."""

    def __init__(self, judge: Callable[[CaseResult], float | None], name: str = "planted") -> None:
        self.judge = judge
        self.name = name

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        return self.judge(result)


CALLS = count()
FAULTS: dict[contract.Check, Callable[[], contract.CaseMetric]] = {
    contract.a_score_is_a_share_or_does_not_apply: lambda: Planted(lambda _: nan),
    contract.the_same_twice: lambda: Planted(lambda _: float(next(CALLS) % 2)),
    contract.the_flawless_scores_one: lambda: Planted(lambda result: 0.5 * bool(result.answer)),
    contract.where_nothing_came_nothing_applies: lambda: Planted(lambda _: 0.0),
    contract.the_name_stands: lambda: Planted(lambda _: None, name=""),
}


@pytest.mark.parametrize("check", contract.CHECKS)
def test_the_contract_catches_the_fault(check: contract.Check) -> None:
    with pytest.raises(AssertionError):
        check(FAULTS[check]())


def found(relevant: str, retrieved: str) -> CaseResult:
    """`found("ac", "bc")`: a and c are relevant, b and then c were retrieved."""
    ranking = tuple((f"wiki:{letter}", 0.9) for letter in retrieved)
    return CaseResult(case=case(*(f"wiki:{letter}" for letter in relevant)), retrieved=ranking)


@pytest.mark.parametrize(
    ("relevant", "retrieved", "recall", "ndcg", "mrr"),
    [
        ("a", "abc", 1.0, 1.0, 1.0),
        # The second place is worth 1 / log2(3).
        ("a", "ba", 1.0, 0.6309297535714575, 0.5),
        ("a", "bcd", 0.0, 0.0, 0.0),
        ("a", "", 0.0, 0.0, 0.0),
        # Places 2 and 4: (1 / log2(3) + 1 / log2(5)) over (1 + 1 / log2(3)).
        ("bd", "abcd", 0.5, 0.6509209298071326, 0.5),
        # Places 1 and 3 of three: (1 + 1 / log2(4)) over (1 + 1 / log2(3) + 1 / log2(4)).
        ("abc", "adbefg", 2 / 3, 0.7039180890341349, 1.0),
        # The only relevant record in the 11th place: beyond the 10, seen by mrr.
        ("l", "abcdefghijl", 0.0, 0.0, 1 / 11),
        # Eleven relevant ones, the first ten places full: as good as ten places can be.
        ("abcdefghijk", "abcdefghij", 3 / 11, 1.0, 1.0),
    ],
)
def test_retrieval_by_hand(
    relevant: str, retrieved: str, recall: float, ndcg: float, mrr: float
) -> None:
    result = found(relevant, retrieved)
    assert Recall(k=3)(result.case, result) == pytest.approx(recall)
    assert NormalizedGain(k=10)(result.case, result) == pytest.approx(ndcg, abs=1e-12)
    assert ReciprocalRank()(result.case, result) == pytest.approx(mrr)


@pytest.mark.parametrize("metric", [Recall(k=3), NormalizedGain(k=10), ReciprocalRank()])
def test_without_relevant_records_retrieval_is_not_judged(metric: contract.CaseMetric) -> None:
    result = found("", "ab")
    assert metric(result.case, result) is None


@given(st.permutations(RECORDS), st.sets(st.sampled_from(RECORDS), min_size=1), st.data())
def test_a_better_place_is_never_worse(
    ranking: list[str], relevant: set[str], data: st.DataObject
) -> None:
    here = data.draw(st.sampled_from([i for i, r in enumerate(ranking) if r in relevant]))
    above = data.draw(st.integers(0, here))
    better = [*ranking]
    better.insert(above, better.pop(here))

    def judged(order: list[str], metric: contract.CaseMetric) -> float:
        result = CaseResult(
            case=case(*relevant), retrieved=tuple((record, 0.5) for record in order)
        )
        return metric(result.case, result) or 0.0

    for metric in (Recall(k=3), NormalizedGain(k=10), ReciprocalRank()):
        assert judged(better, metric) >= judged(ranking, metric) - 1e-12


def answered(text: str, *, refusal: Refusal | None = None) -> CaseResult:
    """An answer from the passages a and b, cited as 1 and 2; 3 cites c, which was not retrieved."""
    answer = Answer(
        text=text,
        language="de",
        citations=(citation(1, "wiki:a"), citation(2, "wiki:b"), citation(3, "wiki:c")),
        passages=(passage("wiki:a"), passage("wiki:b")),
        refusal=refusal,
    )
    return CaseResult(case=case("wiki:a"), retrieved=(), answer=answer)


@pytest.mark.parametrize(
    ("text", "validity"),
    [
        ("Erst dies. [1] Dann das. [2]", 1.0),
        ("Beides. [1][2]", 1.0),
        ("Nichts ist belegt.", 0.0),
        ("Das steht nirgends. [4]", 0.0),
        ("Die Quelle wurde nicht gefunden. [3]", 0.0),
        ("Eins stimmt. [1] Eins nicht. [9] Und wieder. [1] Und nicht. [3]", 0.5),
        ("Der Index `zeile[7]` und ``a ` [8]`` sind Code. [2]", 1.0),
        ("```python\nwert = liste[7]\n```\nSiehe oben. [1]", 1.0),
        ("~~~\nliste[7]\n~~~\nSiehe oben. [9]", 0.0),
        ("Siehe \\[7\\] und [5](https://example.org). [1]", 1.0),
        ("Ein Fenster [links] und ein Datum [2026-11]. [1]", 1.0),
    ],
)
def test_citation_validity_by_hand(text: str, validity: float) -> None:
    result = answered(text)
    assert CitationValidity()(result.case, result) == validity


def test_a_citation_of_another_passage_of_a_record_is_not_valid() -> None:
    wrong = citation(1, "wiki:a")
    other = Answer(
        text="Satz. [1]", language="de", citations=(wrong,), passages=(passage("wiki:b"),)
    )
    result = CaseResult(case=case("wiki:a"), answer=other)
    assert CitationValidity()(result.case, result) == 0.0


def test_citations_of_a_refusal_are_not_judged() -> None:
    result = answered("Dazu finde ich nichts. [9]", refusal=REFUSED)
    assert CitationValidity()(result.case, result) is None


@pytest.mark.parametrize(
    ("must_refuse", "refusal", "accuracy"),
    [(True, REFUSED, 1.0), (True, None, 0.0), (False, REFUSED, 0.0), (False, None, 1.0)],
)
def test_refusal_accuracy(must_refuse: bool, refusal: Refusal | None, accuracy: float) -> None:  # noqa: FBT001
    answer = Answer(text="…", language="de", refusal=refusal)
    result = CaseResult(case=case(must_refuse=must_refuse), answer=answer)
    assert RefusalAccuracy()(result.case, result) == accuracy


def test_names() -> None:
    names = [metric.name for metric in deterministic_metrics(5)]
    assert names == ["recall@5", "ndcg@10", "mrr", "citation_validity", "refusal_accuracy"]
