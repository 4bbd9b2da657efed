"""Asks a bot every question of an evaluation and judges what it did."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite

from evaluation.cases import Case
from evaluation.report import Report
from evaluation.results import CaseResult, Failure
from rag.core.answers import Answer, Question, Retrieved, Token
from rag.core.contracts import Answerer, Metric, Progress, Retriever
from rag.core.errors import RagError, StreamBroken
from rag.core.records import Labels

# As many as a model server answers side by side without queueing; more would measure the queue.
_AT_ONCE = 4


async def run(
    evaluation_name: str,
    cases: Sequence[Case],
    *,
    retriever: Retriever,
    answerer: Answerer | None,
    metrics: Sequence[Metric[Case, CaseResult]],
    limit: int,
    progress: Progress,
    asked_at: datetime | None = None,
) -> Report:
    """Judge every case; the report keeps their order. Without an answerer only the retrieval.

    Each question is asked with the labels of its case, and without its language, which the bot is
    to detect. All are asked at one moment, `asked_at`, which is now unless it is given. What fails
    with an error of the house is a failure of its case; everything else is a bug and ends the run.
    """
    began = datetime.now(UTC)
    asker = _Asker(
        retriever=retriever,
        answerer=answerer,
        metrics=tuple(metrics),
        limit=limit,
        asked_at=asked_at or began,
    )
    clock = time.monotonic()
    results = await _all(asker, cases, evaluation_name, progress)
    return Report(
        evaluation=evaluation_name,
        started_at=began,
        asked_at=asker.asked_at,
        seconds=time.monotonic() - clock,
        limit=limit,
        retrieval_only=answerer is None,
        metrics=tuple(metric.name for metric in metrics),
        results=results,
    )


async def _all(
    asker: "_Asker", cases: Sequence[Case], name: str, progress: Progress
) -> tuple[CaseResult, ...]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(case: Case) -> CaseResult:
        async with slots:
            result = await asker.judge(case)
        progress.advance()
        return result

    progress.start(name, len(cases))
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(case)) for case in cases]
    finally:
        progress.finish()
    return tuple(task.result() for task in tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asker:
    """Everything that the cases of one run have in common."""

    retriever: Retriever
    answerer: Answerer | None
    metrics: tuple[Metric[Case, CaseResult], ...]
    limit: int
    asked_at: datetime

    async def judge(self, case: Case) -> CaseResult:
        clock = time.monotonic()
        result = await self._observe(case)
        result = replace(result, seconds=time.monotonic() - clock)
        return self._score(result)

    async def _observe(self, case: Case) -> CaseResult:
        question = Question(text=case.question, history=case.history, asked_at=self.asked_at)
        try:
            found = await asyncio.to_thread(
                self.retriever.retrieve, question, labels=case.labels, limit=self.limit
            )
        except RagError as error:
            # Without records there is no answer to judge: the one failure says it all.
            return CaseResult(case=case, failures=(_failure("retrieve", error),))
        result = CaseResult(case=case, retrieved=_records(found), generation=found.generation)
        if self.answerer is None:
            return result
        try:
            return replace(result, answer=await _answer(self.answerer, question, case.labels))
        except RagError as error:
            return replace(result, failures=(_failure("answer", error),))

    def _score(self, result: CaseResult) -> CaseResult:
        scores: dict[str, float | None] = {}
        failures = list(result.failures)
        for metric in self.metrics:
            try:
                scores[metric.name] = _finite(metric(result.case, result))
            except RagError as error:
                scores[metric.name] = None
                failures.append(_failure(metric.name, error))
        return replace(result, scores=scores, failures=tuple(failures))


def _failure(stage: str, error: RagError) -> Failure:
    return Failure(stage=stage, error=type(error).__name__, message=str(error))


def _finite(score: float | None) -> float | None:
    if score is not None and not isfinite(score):
        raise RagError(f"The judgement is {score}, which is no score.")
    return score


def _records(found: Retrieved) -> tuple[tuple[str, float], ...]:
    """Every record once, at the place and with the score of its best passage."""
    best: dict[str, float] = {}
    for each in found.passages:
        best.setdefault(each.passage.record_id, each.score)
    return tuple(best.items())


async def _answer(answerer: Answerer, question: Question, labels: Labels) -> Answer:
    last: Token | Answer | None = None
    async with aclosing(answerer.answer(question, labels=labels)) as stream:
        async for item in stream:
            last = item
    if not isinstance(last, Answer):
        raise StreamBroken(f"The stream of {answerer.name} ended without an answer.")
    return last
