"""The end of `make demo`: four questions on the terminal, then the server."""

import asyncio
from pathlib import Path

import click

from rag.app.cli.ask import print_sources
from rag.app.cli.common import place_of, root_options, say
from rag.app.serve import serve
from rag.app.wiring import Campus
from rag.core.answers import Answer, Question
from rag.core.errors import RagError
from rag.core.records import PUBLIC


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@root_options
def demo(host: str, port: int, config: Path | None, data: Path | None) -> None:
    """Ask each bot its first example in both languages, then serve them all."""
    campus = place_of(config, data).campus()
    for bot, question in _questions(campus):
        click.secho(f"\n{bot}: {question}", bold=True)
        print_answer(asyncio.run(_ask(campus, bot, question)))
    say(f"\nChat with the bots: http://{host}:{port}/  (Ctrl-C ends it)")
    serve(campus, host=host, port=port, allow_open=False)


def print_answer(answer: Answer) -> None:
    """The answer with its sources."""
    click.echo(answer.text)
    print_sources(answer)


def _questions(campus: Campus) -> list[tuple[str, str]]:
    return [
        (name, examples[0])
        for name, bot in campus.settings.bots.items()
        for examples in bot.examples.values()
        if examples
    ]


async def _ask(campus: Campus, bot: str, question: str) -> Answer:
    items = [
        item
        async for item in campus.bot(bot).answer(
            Question(text=question), labels=frozenset({PUBLIC})
        )
    ]
    answer = items[-1]
    assert isinstance(answer, Answer)
    return answer


if __name__ == "__main__":
    try:
        demo()
    except RagError as error:
        raise SystemExit(f"Error: {error}") from None
