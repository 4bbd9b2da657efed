"""A report as one JSON document, for machines and for the memory of runs.

`version` grows when a field changes its meaning or goes; new fields may come without it. Times are
ISO 8601 in UTC, durations seconds, scores None where the metric does not apply or failed.
"""

from typing import TypedDict

from evaluation.report import Report
from evaluation.results import CaseResult
from rag.core.answers import Answer, Citation

VERSION = 1


class RetrievedDocument(TypedDict):
    """One record that was retrieved."""

    record: str
    score: float


class CitationDocument(TypedDict):
    """One number in the answer's text and what it leads to."""

    number: int
    record: str
    passage: str
    title: str
    url: str
    heading_path: list[str]


class FailureDocument(TypedDict):
    """What could not be done or judged."""

    case: str
    stage: str
    error: str
    message: str


class SummaryDocument(TypedDict):
    """Mean over n cases and its 95 % interval."""

    n: int
    mean: float | None
    low: float | None
    high: float | None


class CaseDocument(TypedDict):
    """One case.

    `retrieved` is in order, best first, and null where retrieving failed. Without an answer
    everything about it is null. `refusal` is the reason of one.
    """

    id: str
    question: str
    language: str
    labels: list[str]
    relevant: list[str]
    must_refuse: bool
    retrieved: list[RetrievedDocument] | None
    generation: str
    answer: str | None
    answer_language: str | None
    citations: list[CitationDocument]
    refused: bool | None
    refusal: str | None
    generator: str | None
    scores: dict[str, float | None]
    seconds: float


class ReportDocument(TypedDict):
    """The whole report. `scores` is by group (`all`, then each language), then by metric.

    `failed` counts cases with at least one failure.
    """

    version: int
    evaluation: str
    started_at: str
    asked_at: str
    seconds: float
    limit: int
    retrieval_only: bool
    metrics: list[str]
    scores: dict[str, dict[str, SummaryDocument]]
    failed: int
    failures: list[FailureDocument]
    cases: list[CaseDocument]


def to_document(report: Report) -> ReportDocument:
    """The report as plain JSON values."""
    return {
        "version": VERSION,
        "evaluation": report.evaluation,
        "started_at": report.started_at.isoformat(),
        "asked_at": report.asked_at.isoformat(),
        "seconds": round(report.seconds, 3),
        "limit": report.limit,
        "retrieval_only": report.retrieval_only,
        "metrics": list(report.metrics),
        "scores": _scores(report),
        "failed": sum(bool(result.failures) for result in report.results),
        "failures": [
            {"case": case, "stage": each.stage, "error": each.error, "message": each.message}
            for case, each in report.failures
        ],
        "cases": [_case(result) for result in report.results],
    }


def _scores(report: Report) -> dict[str, dict[str, SummaryDocument]]:
    return {
        group: {
            metric: {"n": each.n, "mean": each.mean, "low": each.low, "high": each.high}
            for metric, each in summaries.items()
        }
        for group, summaries in report.summaries().items()
    }


def _case(result: CaseResult) -> CaseDocument:
    case, answer = result.case, result.answer
    return {
        "id": case.id,
        "question": case.question,
        "language": case.language,
        "labels": sorted(case.labels),
        "relevant": sorted(case.relevant),
        "must_refuse": case.must_refuse,
        "retrieved": _retrieved(result),
        "generation": result.generation,
        "answer": answer.text if answer else None,
        "answer_language": answer.language if answer else None,
        "citations": [_citation(each) for each in answer.citations] if answer else [],
        "refused": answer.refusal is not None if answer else None,
        "refusal": _refusal(answer),
        "generator": answer.generator if answer else None,
        "scores": dict(result.scores),
        "seconds": round(result.seconds, 3),
    }


def _retrieved(result: CaseResult) -> list[RetrievedDocument] | None:
    if result.retrieved is None:
        return None
    return [{"record": record, "score": score} for record, score in result.retrieved]


def _citation(citation: Citation) -> CitationDocument:
    return {
        "number": citation.number,
        "record": citation.record_id,
        "passage": citation.passage_id,
        "title": citation.title,
        "url": citation.url,
        "heading_path": list(citation.heading_path),
    }


def _refusal(answer: Answer | None) -> str | None:
    return answer.refusal.reason.value if answer and answer.refusal else None
