"""Running an evaluation: order, bounds, labels, and failures that are no scores."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import inf, nan

import pytest

from evaluation.cases import Case
from evaluation.metrics import deterministic_metrics
from evaluation.report import Report
from evaluation.results import CaseResult
from evaluation.run import run
from rag.core.answers import Answer, Question, Retrieved, Token, Turn
from rag.core.contracts import Answerer, Metric, Retriever, Silent
from rag.core.errors import BadQuestion, RagError, RetryLater
from rag.core.records import Labels
from tests.contracts.metric_contract import citation, passage

CASES = tuple(
    Case(
        id=f"c{number}",
        question=f"Frage {number}",
        language="de" if number % 2 else "en",
        labels=frozenset({"public", f"label-{number}"}),
        history=(Turn(role="user", text=f"davor {number}"),),
        relevant=frozenset({"wiki:a"}),
    )
    for number in range(12)
)


class ScriptedRetriever:
    """Finds a twice and b; keeps what it was asked, and how many asked at once."""

    def __init__(self, fail: Callable[[Question], None] = lambda _: None) -> None:
        self.fail = fail
        self.asked: dict[str, tuple[Question, Labels, int]] = {}
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    def retrieve(self, question: Question, *, labels: Labels, limit: int) -> Retrieved:
        with self.lock:
            self.busy += 1
            self.busiest = max(self.busy, self.busiest)
            self.asked[question.text] = (question, labels, limit)
        # The first asked are the last to be done.
        time.sleep(0.03 if question.text == "Frage 0" else 0.005)
        with self.lock:
            self.busy -= 1
        self.fail(question)
        found = [passage("wiki:a"), replace(passage("wiki:a"), score=0.4), passage("wiki:b")]
        return Retrieved(passages=found, filters=(), searched=("wiki",), generation="gen-7")


class ScriptedBot:
    """Answers from passage a; keeps what it was asked."""

    name = "bot"

    def __init__(self, fail: Callable[[Question], None] = lambda _: None) -> None:
        self.fail = fail
        self.asked: dict[str, tuple[Question, Labels]] = {}
        self.last: Answer | None = Answer(
            text="So. [1]",
            language="de",
            citations=(citation(1, "wiki:a"),),
            passages=(passage("wiki:a"),),
        )

    async def answer(
        self, question: Question, *, labels: Labels
    ) -> AsyncGenerator[Token | Answer, None]:
        self.asked[question.text] = (question, labels)
        yield Token(text="So. ")
        await asyncio.sleep(0)
        self.fail(question)
        if self.last:
            yield self.last


class Counted(Silent):
    """A Progress that counts."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self, task: str, total: int | None) -> None:
        self.seen.append(f"{task} of {total}")

    def advance(self, steps: int = 1) -> None:
        self.seen.append("step")

    def finish(self) -> None:
        self.seen.append("end")


async def evaluate(
    retriever: Retriever,
    answerer: Answerer | None,
    *,
    metrics: tuple[Metric[Case, CaseResult], ...] = deterministic_metrics(5),
    progress: Silent | None = None,
) -> Report:
    return await run(
        "it",
        CASES,
        retriever=retriever,
        answerer=answerer,
        metrics=metrics,
        limit=10,
        progress=progress or Silent(),
    )


def only(text: str, error: Exception) -> Callable[[Question], None]:
    """Fails one question."""

    def fail(question: Question) -> None:
        if question.text == text:
            raise error

    return fail


async def test_every_case_in_its_order() -> None:
    report = await evaluate(ScriptedRetriever(), ScriptedBot())
    assert [result.case for result in report.results] == list(CASES)
    assert report.failures == ()
    for result in report.results:
        assert result.retrieved == (("wiki:a", 0.5), ("wiki:b", 0.5))
        assert result.generation == "gen-7"
        assert set(result.scores.values()) == {1.0}
        assert result.seconds > 0


async def test_each_is_asked_with_its_labels_and_without_its_language() -> None:
    retriever, bot = ScriptedRetriever(), ScriptedBot()
    report = await evaluate(retriever, bot)
    for case in CASES:
        question, labels, limit = retriever.asked[case.question]
        assert bot.asked[case.question] == (question, labels)
        assert (labels, limit) == (case.labels, 10)
        assert (question.text, question.history) == (case.question, case.history)
        assert question.language is None
        assert question.asked_at == report.asked_at == report.started_at


async def test_the_moment_of_asking_can_be_chosen() -> None:
    moment = datetime(2026, 10, 1, 8, tzinfo=UTC)
    retriever = ScriptedRetriever()
    report = await run(
        "it",
        CASES[:1],
        retriever=retriever,
        answerer=None,
        metrics=(),
        limit=10,
        progress=Silent(),
        asked_at=moment,
    )
    assert retriever.asked["Frage 0"][0].asked_at == report.asked_at == moment
    assert report.started_at > moment


async def test_a_few_at_once() -> None:
    retriever = ScriptedRetriever()
    await evaluate(retriever, None)
    assert 2 <= retriever.busiest <= 4


async def test_retrieval_only_asks_no_bot() -> None:
    report = await evaluate(ScriptedRetriever(), None)
    assert report.retrieval_only
    for result in report.results:
        assert result.answer is None
        assert result.scores["recall@5"] == 1.0
        assert result.scores["citation_validity"] is None
        assert result.scores["refusal_accuracy"] is None


async def test_progress_is_told() -> None:
    progress = Counted()
    await evaluate(ScriptedRetriever(), None, progress=progress)
    assert progress.seen == ["it of 12", *["step"] * 12, "end"]


async def test_a_failed_retrieval_is_no_score() -> None:
    fail = only("Frage 3", RetryLater("Qdrant does not answer.", mend="Start it."))
    bot = ScriptedBot()
    report = await evaluate(ScriptedRetriever(fail), bot)
    ((case, failure),) = report.failures
    assert (case, failure.stage, failure.error) == ("c3", "retrieve", "RetryLater")
    assert failure.message == "Qdrant does not answer. Start it."
    assert set(report.results[3].scores.values()) == {None}
    assert report.results[3].retrieved is None
    assert "Frage 3" not in bot.asked
    assert report.summaries()["all"]["recall@5"].n == 11


async def test_a_failed_answer_is_no_score() -> None:
    fail = only("Frage 3", BadQuestion("The question is too long."))
    report = await evaluate(ScriptedRetriever(), ScriptedBot(fail))
    ((case, failure),) = report.failures
    assert (case, failure.stage, failure.error) == ("c3", "answer", "BadQuestion")
    scores = report.results[3].scores
    assert (scores["recall@5"], scores["refusal_accuracy"]) == (1.0, None)


async def test_a_stream_without_an_answer_has_broken() -> None:
    bot = ScriptedBot()
    bot.last = None
    report = await evaluate(ScriptedRetriever(), bot)
    assert {failure.error for _, failure in report.failures} == {"StreamBroken"}
    assert len(report.failures) == len(CASES)


class Judge:
    """A metric that says what it was given to say, about c3 only."""

    name = "judge"

    def __init__(self, verdict: float | RagError) -> None:
        self.verdict = verdict

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        if case.id != "c3":
            return 1.0
        if isinstance(self.verdict, RagError):
            raise self.verdict
        return self.verdict


@pytest.mark.parametrize("verdict", [nan, inf, RetryLater("The judge is away.")])
async def test_a_failed_judgement_is_no_score(verdict: float | RagError) -> None:
    metrics = (Judge(verdict), *deterministic_metrics(5))
    report = await evaluate(ScriptedRetriever(), None, metrics=metrics)
    ((case, failure),) = report.failures
    assert (case, failure.stage) == ("c3", "judge")
    assert report.results[3].scores["judge"] is None
    assert report.results[3].scores["recall@5"] == 1.0
    summary = report.summaries()["all"]["judge"]
    assert (summary.n, summary.mean) == (11, 1.0)


async def test_a_bug_ends_the_run() -> None:
    progress = Counted()
    retriever = ScriptedRetriever(only("Frage 3", ZeroDivisionError()))
    with pytest.raises(ExceptionGroup) as caught:
        await evaluate(retriever, None, progress=progress)
    assert caught.group_contains(ZeroDivisionError)
    assert progress.seen[-1] == "end"
