"""`rag ask`: one question to one bot."""

import asyncio
from pathlib import Path

import click

from rag.app.cli.common import (
    is_watched,
    json_option,
    labels_option,
    place_of,
    place_options,
    print_json,
)
from rag.app.http.documents import AnswerDocument
from rag.core.answers import Answer, Question
from rag.core.contracts import Answerer
from rag.core.records import Labels


@click.command()
@click.argument("bot")
@click.argument("question")
@labels_option
@place_options
@json_option
def ask(
    bot: str,
    question: str,
    *,
    labels: Labels,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Ask BOT the QUESTION; prints the answer with its numbered sources.

    Example: rag ask it-support "Wie verbinde ich mein Handy mit eduroam?"
    """
    answerer = place_of(config, data).campus().bot(bot)
    asked = _answer(answerer, Question(text=question), labels, streams=is_watched() and not as_json)
    answer, said = asyncio.run(asked)
    if as_json:
        document = AnswerDocument.of(answer).model_dump(mode="json")
        print_json({"bot": bot, "question": question, **document})
        return
    # What was streamed is a preview: an answer that says something else replaces it.
    click.echo("" if said.strip() == answer.text.strip() else answer.text)
    print_sources(answer)


async def _answer(
    answerer: Answerer, question: Question, labels: Labels, *, streams: bool
) -> tuple[Answer, str]:
    """The answer, and what was shown of it while it was spoken."""
    said = ""
    async for item in answerer.answer(question, labels=labels):
        if isinstance(item, Answer):
            break
        if streams:
            said += item.text
            click.echo(item.text, nl=False)
    assert isinstance(item, Answer)
    return item, said


def print_sources(answer: Answer) -> None:
    """The sources under an answer, and who spoke."""
    if answer.citations:
        click.echo("\nQuellen:" if answer.language == "de" else "\nSources:")
    for each in answer.citations:
        click.echo(f"  [{each.number}] {' › '.join(each.heading_path) or each.title}  {each.url}")
