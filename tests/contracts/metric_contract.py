"""What every Metric promises, sentence by sentence, over cases that hypothesis invents."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.cases import Case
from evaluation.results import CaseResult
from rag.core.answers import Answer, Citation, Refusal, RefusalReason, ScoredPassage
from rag.core.contracts import Metric
from rag.core.records import PUBLIC, Passage

CaseMetric = Metric[Case, CaseResult]
Check = Callable[[CaseMetric], None]

RECORDS = [f"wiki:{letter}" for letter in "abcdefghijkl"]


def passage(record: str) -> ScoredPassage:
    return ScoredPassage(
        passage=Passage(
            record_id=record,
            ordinal=0,
            text="…",
            title="T",
            url="https://wiki.example/",
            heading_path=(),
            language="de",
            kind="page",
            source="wiki",
            labels=frozenset({PUBLIC}),
        ),
        score=0.5,
    )


def citation(number: int, record: str) -> Citation:
    found = passage(record).passage
    return Citation(
        number=number,
        record_id=record,
        passage_id=found.id,
        title=found.title,
        url=found.url,
        heading_path=(),
    )


def case(*relevant: str, must_refuse: bool = False) -> Case:
    return Case(
        id="c",
        question="?",
        language="de",
        labels=frozenset({PUBLIC}),
        relevant=frozenset(relevant),
        must_refuse=must_refuse,
    )


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    numbers = draw(st.lists(st.integers(0, 6), max_size=4))
    given_numbers = draw(st.lists(st.integers(1, 6), unique=True, max_size=4))
    return Answer(
        text="".join(f"Satz. [{number}] " for number in numbers),
        language="de",
        citations=tuple(citation(n, draw(st.sampled_from(RECORDS))) for n in given_numbers),
        passages=tuple(passage(r) for r in draw(st.lists(st.sampled_from(RECORDS), max_size=4))),
        refusal=draw(st.sampled_from([None, Refusal(reason=RefusalReason.UNSUPPORTED)])),
    )


@st.composite
def results(draw: st.DrawFn) -> CaseResult:
    relevant = draw(st.lists(st.sampled_from(RECORDS), unique=True))
    retrieved = draw(st.lists(st.sampled_from(RECORDS), unique=True))
    scored = tuple((record, 1 / (rank + 1)) for rank, record in enumerate(retrieved))
    return CaseResult(
        case=case(*relevant, must_refuse=not relevant and draw(st.booleans())),
        retrieved=draw(st.sampled_from([scored, None])),
        answer=draw(st.none() | answers()),
    )


def flawless(*, must_refuse: bool) -> CaseResult:
    if must_refuse:
        refusal = Refusal(reason=RefusalReason.NOTHING_RELEVANT)
        answer = Answer(text="Dazu finde ich nichts.", language="de", refusal=refusal)
        return CaseResult(case=case(must_refuse=True), retrieved=(), answer=answer)
    answer = Answer(
        text="So geht es. [1]",
        language="de",
        citations=(citation(1, "wiki:a"),),
        passages=(passage("wiki:a"),),
    )
    return CaseResult(case=case("wiki:a"), retrieved=(("wiki:a", 0.9),), answer=answer)


def a_score_is_a_share_or_does_not_apply(metric: CaseMetric) -> None:
    @settings(max_examples=60, database=None, deadline=None)
    @given(results())
    def holds(result: CaseResult) -> None:
        score = metric(result.case, result)
        assert score is None or 0 <= score <= 1

    holds()


def the_same_twice(metric: CaseMetric) -> None:
    @settings(max_examples=30, database=None, deadline=None)
    @given(results())
    def holds(result: CaseResult) -> None:
        twin = replace(result)
        assert metric(result.case, result) == metric(twin.case, twin)

    holds()


def the_flawless_scores_one(metric: CaseMetric) -> None:
    judged = [flawless(must_refuse=False), flawless(must_refuse=True)]
    scores = [metric(each.case, each) for each in judged]
    assert set(scores) - {None} == {1.0}


def where_nothing_came_nothing_applies(metric: CaseMetric) -> None:
    nothing = CaseResult(case=case("wiki:a"), retrieved=None, answer=None)
    assert metric(nothing.case, nothing) is None


def the_name_stands(metric: CaseMetric) -> None:
    assert metric.name
    assert metric.name == metric.name.strip().lower()


CHECKS: tuple[Check, ...] = (
    a_score_is_a_share_or_does_not_apply,
    the_same_twice,
    the_flawless_scores_one,
    where_nothing_came_nothing_applies,
    the_name_stands,
)
