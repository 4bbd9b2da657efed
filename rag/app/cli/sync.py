"""`rag sync`: bring the indexes up to date."""

from pathlib import Path

import click

from indexes.sync import SourceReport
from rag.app.cli.common import (
    DONE,
    SHORT,
    TerminalProgress,
    json_option,
    place_of,
    place_options,
    print_json,
    say,
)
from rag.app.jobs.sync import SyncReport
from rag.app.jobs.sync import sync as run_sync
from rag.core.errors import RagError

_COUNTS = ("seen", "added", "changed", "relabelled", "deleted", "unchanged", "failed")
_FAILURES_SHOWN = 20


@click.command()
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--full", is_flag=True, help="Read everything again, as if for the first time.")
@place_options
@json_option
def sync(
    source: str | None,
    *,
    full: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Read what changed in the sources and bring the indexes up to date.

    Bots go on answering meanwhile and take the new version up by themselves. Nothing is deleted on
    doubt: a source that fails, or that suddenly lists far fewer records, loses none.

    Example: rag sync --source it-wiki
    """
    campus = place_of(config, data).campus()
    run = campus.runs().start("sync", source or "all")
    try:
        with TerminalProgress() as progress:
            report = run_sync(campus, only=source, full=full, progress=progress)
    except RagError as error:
        campus.runs().end(run, "failed", {"error": str(error)})
        raise
    campus.runs().end(run, "short" if report.is_short else "done", report.document())
    if as_json:
        print_json(report.document())
    else:
        click.echo(_table(report))
    _say_what_fell_short(report)
    raise SystemExit(SHORT if report.is_short else DONE)


def _table(report: SyncReport) -> str:
    width = max(len(each.source) for each in report.sources)
    head = f"{'source':{width}}  " + "  ".join(f"{name:>10}" for name in _COUNTS)
    rows = [
        f"{each.source:{width}}  " + "  ".join(f"{getattr(each, name):>10}" for name in _COUNTS)
        for each in report.sources
    ]
    return "\n".join([head, *rows])


def _say_what_fell_short(report: SyncReport) -> None:
    for each in report.sources:
        for line in _shortfalls(each):
            say(f"{each.source}: {line}")


def _shortfalls(report: SourceReport) -> list[str]:
    lines = [report.outage, report.not_swept, *report.refused_sweeps]
    shown = report.failures[:_FAILURES_SHOWN]
    lines += [f"{each.key or 'unnamed'} ({each.stage}): {each.reason}" for each in shown]
    if len(report.failures) > _FAILURES_SHOWN:
        lines.append(f"… and {report.failed - _FAILURES_SHOWN} more; --json lists them.")
    if report.unlabelled:
        lines.append(f"{report.unlabelled} records match no label rule: nobody can see them.")
    return [line for line in lines if line]
