"""`rag evaluate`: judge a bot by its cases."""

import asyncio
from pathlib import Path

import click

from evaluation.cases import read_cases
from evaluation.document import to_document
from evaluation.metrics import deterministic_metrics
from evaluation.report import Report
from evaluation.run import run as run_evaluation
from evaluation.table import to_table
from rag.app.cli.common import (
    DONE,
    SHORT,
    TerminalProgress,
    json_option,
    place_of,
    place_options,
    print_json,
)
from rag.app.wiring import Campus
from rag.core.contracts import Progress
from rag.core.definitions.evaluations import EvaluationDefinition
from rag.core.errors import NotFound, RagError, nearest


@click.command()
@click.argument("name")
@click.option("--retrieval-only", is_flag=True, help="Skip the generator.")
@place_options
@json_option
def evaluate(
    name: str,
    *,
    retrieval_only: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Ask the bot of evaluation NAME every case and print the scores by language.

    Example: rag evaluate it-support --retrieval-only
    """
    campus = place_of(config, data).campus()
    definition = _definition(campus, name)
    run = campus.runs().start("evaluate", name)
    try:
        with TerminalProgress() as progress:
            report = asyncio.run(
                _evaluate(campus, name, definition, progress, retrieval_only=retrieval_only)
            )
    except RagError as error:
        campus.runs().end(run, "failed", {"error": str(error)})
        raise
    document = to_document(report)
    is_short = bool(report.failures)
    campus.runs().end(run, "short" if is_short else "done", dict(document))
    if as_json:
        print_json(document)
    else:
        click.echo(to_table(report))
    raise SystemExit(SHORT if is_short else DONE)


def _definition(campus: Campus, name: str) -> EvaluationDefinition:
    known = campus.settings.evaluations
    if name not in known:
        raise NotFound(f"There is no evaluation “{name}”.", mend=nearest(name, list(known)))
    return known[name]


async def _evaluate(
    campus: Campus,
    name: str,
    definition: EvaluationDefinition,
    progress: Progress,
    *,
    retrieval_only: bool,
) -> Report:
    return await run_evaluation(
        name,
        read_cases(definition.cases),
        retriever=campus.retriever(definition.bot),
        answerer=None if retrieval_only else campus.bot(definition.bot),
        metrics=deterministic_metrics(definition.k),
        limit=definition.limit,
        progress=progress,
    )
