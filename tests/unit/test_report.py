"""The report: means and intervals by language, failures apart, one document and one table."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.cases import Case
from evaluation.document import CaseDocument, ReportDocument, to_document
from evaluation.report import Report
from evaluation.results import CaseResult, Failure
from evaluation.summary import summarize
from evaluation.table import to_table
from rag.core.answers import Answer, Refusal, RefusalReason
from tests.contracts.metric_contract import citation, passage

MOMENT = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)


def result(name: str, language: Any, score: float | None, **fields: Any) -> CaseResult:
    case = Case(
        id=name,
        question=f"{name}?",
        language=language,
        labels=frozenset({"staff", "public"}),
        relevant=frozenset({"wiki:b", "wiki:a"}),
    )
    return CaseResult(case=case, scores={"recall@5": score, "mrr": None}, **fields)


@pytest.fixture
def report() -> Report:
    answer = Answer(
        text="So. [1]",
        language="en",
        citations=(citation(1, "wiki:a"),),
        passages=(passage("wiki:a"),),
        generator="extractive",
    )
    refusal = Refusal(reason=RefusalReason.UNSUPPORTED)
    refused = Answer(text="Nein.", language="de", refusal=refusal)
    failure = Failure(stage="retrieve", error="RetryLater", message="The engine is away.")
    return Report(
        evaluation="it-support",
        started_at=MOMENT,
        asked_at=MOMENT - timedelta(days=1),
        seconds=1.23456,
        limit=10,
        retrieval_only=False,
        metrics=("recall@5", "mrr"),
        results=(
            result("z", "en", 1.0, retrieved=(("wiki:b", 0.9), ("wiki:a", 0.2)), answer=answer),
            result("y", "de", 0.0, retrieved=(), answer=refused, generation="gen-1"),
            result("x", "de", 0.5, retrieved=(), seconds=0.50049),
            result("w", "de", None, failures=(failure,)),
        ),
    )


def test_by_language_and_over_all(report: Report) -> None:
    summaries = report.summaries()
    assert list(summaries) == ["all", "de", "en"]
    found = {group: by["recall@5"] for group, by in summaries.items()}
    assert {group: (each.mean, each.n) for group, each in found.items()} == {
        "all": (0.5, 3),
        "de": (0.25, 2),
        "en": (1.0, 1),
    }
    assert (found["en"].low, found["en"].high) == (None, None)
    assert (summaries["all"]["mrr"].n, summaries["all"]["mrr"].mean) == (0, None)


def test_the_document(report: Report) -> None:
    document = to_document(report)
    assert document["version"] == 1
    assert (document["evaluation"], document["limit"]) == ("it-support", 10)
    assert document["started_at"] == "2026-11-22T05:30:00+00:00"
    assert document["asked_at"] == "2026-11-21T05:30:00+00:00"
    assert (document["seconds"], document["retrieval_only"]) == (1.235, False)
    assert document["metrics"] == ["recall@5", "mrr"]
    assert document["scores"]["de"]["recall@5"]["mean"] == 0.25
    assert document["failed"] == 1
    assert document["failures"] == [
        {"case": "w", "stage": "retrieve", "error": "RetryLater", "message": "The engine is away."}
    ]
    assert [case["id"] for case in document["cases"]] == ["z", "y", "x", "w"]


def test_the_document_of_a_case(report: Report) -> None:
    answered, refused, unasked, failed = to_document(report)["cases"]
    assert answered == {
        "id": "z",
        "question": "z?",
        "language": "en",
        "labels": ["public", "staff"],
        "relevant": ["wiki:a", "wiki:b"],
        "must_refuse": False,
        "retrieved": [{"record": "wiki:b", "score": 0.9}, {"record": "wiki:a", "score": 0.2}],
        "generation": "",
        "answer": "So. [1]",
        "answer_language": "en",
        "citations": [
            {
                "number": 1,
                "record": "wiki:a",
                "passage": passage("wiki:a").passage.id,
                "title": "T",
                "url": "https://wiki.example/",
                "heading_path": [],
            }
        ],
        "refused": False,
        "refusal": None,
        "generator": "extractive",
        "scores": {"recall@5": 1.0, "mrr": None},
        "seconds": 0.0,
    }
    assert (refused["refused"], refused["refusal"]) == (True, "unsupported")
    assert (refused["answer"], refused["generation"]) == ("Nein.", "gen-1")
    assert (unasked["answer"], unasked["refused"], unasked["citations"]) == (None, None, [])
    assert (unasked["retrieved"], unasked["seconds"]) == ([], 0.5)
    assert failed["retrieved"] is None


def test_the_document_is_json_of_its_type(report: Report) -> None:
    document = to_document(report)
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert set(document) == set(ReportDocument.__annotations__)
    assert set(document["cases"][0]) == set(CaseDocument.__annotations__)


def test_the_table(report: Report) -> None:
    low, high = summarize([0.0, 0.5]).low, summarize([0.0, 0.5]).high
    lines = to_table(report).splitlines()
    assert lines[0] == "it-support: 4 cases, 1.2 s"
    assert [line.split("  ")[0] for line in lines[2:5]] == ["mean [95 %] of n", "recall@5", "mrr"]
    assert "all (4)" in lines[2]
    assert "de (3)" in lines[2]
    assert f"0.250 [{low:.2f}, {high:.2f}] of 2" in lines[3]
    assert lines[3].endswith("1.000 of 1")
    assert lines[4].split() == ["mrr", "–", "–", "–"]
    assert lines[3].index("0.250") == lines[2].index("de (3)")
    assert lines[6:] == [
        "1 failures, which are in no mean:",
        "  w: retrieve: RetryLater: The engine is away.",
    ]


def test_the_table_of_retrieval_only_without_failures(report: Report) -> None:
    plain = Report(
        evaluation="it",
        started_at=MOMENT,
        asked_at=MOMENT,
        seconds=0,
        limit=10,
        retrieval_only=True,
        metrics=("mrr",),
        results=report.results[:1],
    )
    assert to_table(plain).startswith("it: 1 cases, 0.0 s, retrieval only\n")
    assert "failures" not in to_table(plain)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_the_interval_lies_among_the_scores(scores: list[float]) -> None:
    summary = summarize(scores)
    assert summary.n == len(scores)
    assert summary == summarize(scores)
    assert summary.mean == pytest.approx(fmean(scores))
    assert summary.low is not None
    assert summary.high is not None
    assert min(scores) - 1e-12 <= summary.low <= summary.high <= max(scores) + 1e-12


def test_the_interval_is_near_the_normal_one() -> None:
    """100 of 400 right: 0.25 ± 1.96 · √(0.25 · 0.75 / 400) = 0.25 ± 0.0424."""
    summary = summarize([1.0] * 100 + [0.0] * 300)
    assert summary.low == pytest.approx(0.25 - 0.0424, abs=0.005)
    assert summary.high == pytest.approx(0.25 + 0.0424, abs=0.005)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw = Random(1)
    covered = 0
    for _ in range(100):
        summary = summarize([float(draw.random() < 0.7) for _ in range(60)])
        assert summary.low is not None
        assert summary.high is not None
        covered += summary.low <= 0.7 <= summary.high
    assert 88 <= covered <= 100
