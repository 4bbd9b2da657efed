"""A report as a plain table, for a terminal of 80 columns and up."""

from collections.abc import Sequence

from evaluation.report import Report
from evaluation.results import Failure
from evaluation.summary import Summary

_HEADLINE = "mean [95 %] of n"


def to_table(report: Report) -> str:
    """Metrics down, languages across, then every failure on a line of its own."""
    summaries = report.summaries()
    head = [_HEADLINE, *(f"{group} ({len(cases)})" for group, cases in report.groups.items())]
    body = [
        [metric, *(_cell(by_metric[metric]) for by_metric in summaries.values())]
        for metric in report.metrics
    ]
    mode = ", retrieval only" if report.retrieval_only else ""
    title = f"{report.evaluation}: {len(report.results)} cases, {report.seconds:.1f} s{mode}"
    return "\n".join([title, "", *_aligned([head, *body]), *_failures(report.failures)])


def _cell(summary: Summary) -> str:
    if summary.mean is None:
        return "–"
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.3f} of {summary.n}"
    return f"{summary.mean:.3f} [{summary.low:.2f}, {summary.high:.2f}] of {summary.n}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _failures(failures: Sequence[tuple[str, Failure]]) -> list[str]:
    if not failures:
        return []
    lines = [f"  {case}: {each.stage}: {each.error}: {each.message}" for case, each in failures]
    return ["", f"{len(failures)} failures, which are in no mean:", *lines]
