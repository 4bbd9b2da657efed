"""`rag search`: what a bot's retriever finds."""

from pathlib import Path
from typing import Any

import click

from rag.app.cli.common import (
    json_option,
    labels_option,
    place_of,
    place_options,
    print_json,
    say,
)
from rag.core.answers import Question, Retrieved, ScoredPassage
from rag.core.records import Labels


@click.command()
@click.argument("bot")
@click.argument("query")
@labels_option
@click.option("-n", "limit", default=10, show_default=True, type=click.IntRange(1, 500))
@place_options
@json_option
def search(
    bot: str,
    query: str,
    *,
    labels: Labels,
    limit: int,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print what the retriever of BOT finds for QUERY, best first.

    Example: rag search it-support "Drucker druckt nicht" --labels public,staff -n 5
    """
    retriever = place_of(config, data).campus().retriever(bot)
    found = retriever.retrieve(Question(text=query), labels=labels, limit=limit)
    if as_json:
        print_json(_document(bot, query, found))
        return
    for rank, each in enumerate(found.passages, start=1):
        click.echo(_line(rank, each))
    say(f"{len(found.passages)} hits in {', '.join(found.searched)} ({found.generation}).")


def _document(bot: str, query: str, found: Retrieved) -> dict[str, Any]:
    return {
        "bot": bot,
        "query": query,
        "generation": found.generation,
        "searched": list(found.searched),
        "hits": [_hit(each) for each in found.passages],
    }


def _hit(each: ScoredPassage) -> dict[str, Any]:
    passage = each.passage
    return {
        "record_id": passage.record_id,
        "passage_id": passage.id,
        "ordinal": passage.ordinal,
        "score": each.score,
        "dense": each.dense,
        "sparse": each.sparse,
        "title": passage.title,
        "url": passage.url,
        "heading_path": list(passage.heading_path),
        "language": passage.language,
        "text": passage.text,
    }


def _line(rank: int, each: ScoredPassage) -> str:
    passage = each.passage
    path = " › ".join(passage.heading_path) or passage.title
    head = click.style(f"{rank:2}. {each.score:.3f}  {path}", bold=True)
    text = " ".join(passage.text.split())
    return f"{head}\n    {passage.record_id}  {passage.url}\n    {text[:200]}"
