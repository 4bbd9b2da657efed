"""What every Generator promises, sentence by sentence, on a stage that can be made to fail."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

import pytest

from rag.core.answers import Finish, Prompt, Token
from rag.core.contracts import Generator
from rag.core.errors import RetryLater, StreamBroken
from tests.bot_parts import passage, prompt

SOON = 2.0


class Stage(Protocol):
    """A generator and what stands behind it. `speakers` may sign an answer."""

    speakers: frozenset[str]

    def open(self) -> Generator: ...


class Upstream(Stage, Protocol):
    """A stage with a server behind the generator."""

    def vanish(self) -> None:
        """The server answers nothing any more."""

    def break_off(self) -> None:
        """The next answer breaks in the middle."""

    def dawdle(self) -> None:
        """The next answer takes for ever after its first words."""

    def abandoned(self) -> bool:
        """Whether the server has noticed that nobody listens any more."""


Check = Callable[[Stage], Awaitable[None]]
UpstreamCheck = Callable[[Upstream], Awaitable[None]]

PASSAGES = (
    passage("Die App geteduroam richtet eduroam ein.", key="a.md"),
    passage("Für eduroam gibt es einen Installer.", key="b.md"),
    passage("Gäste bekommen für eduroam einen Gutschein.", key="c.md"),
)


async def spoken(generator: Generator, given: Prompt) -> list[Token | Finish]:
    async with aclosing(generator.stream(given)) as items:
        return [item async for item in items]


async def finish(generator: Generator, given: Prompt) -> Finish:
    last = (await spoken(generator, given))[-1]
    assert isinstance(last, Finish)
    return last


async def it_has_a_name_and_a_place(stage: Stage) -> None:
    generator = stage.open()
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", generator.name)
    assert generator.egress in ("campus", "external")


async def the_last_item_is_the_only_finish(stage: Stage) -> None:
    items = await spoken(stage.open(), prompt(*PASSAGES))
    assert [isinstance(item, Finish) for item in items] == [*[False] * (len(items) - 1), True]


async def every_token_has_text(stage: Stage) -> None:
    tokens = (await spoken(stage.open(), prompt(*PASSAGES)))[:-1]
    assert tokens
    assert all(isinstance(token, Token) and token.text for token in tokens)


async def the_finish_names_who_spoke(stage: Stage) -> None:
    assert (await finish(stage.open(), prompt(*PASSAGES))).generator in stage.speakers


async def given_are_the_numbers_that_it_saw(stage: Stage) -> None:
    whole = prompt(*PASSAGES)
    some = replace(whole, passages=(whole.passages[0], whole.passages[2]))
    assert (await finish(stage.open(), whole)).given == {1, 2, 3}
    assert (await finish(stage.open(), some)).given == {1, 3}


async def streams_do_not_mix(stage: Stage) -> None:
    generator = stage.open()
    whole = prompt(*PASSAGES)
    ends = await asyncio.gather(
        finish(generator, whole),
        finish(generator, whole.weaker()),
        finish(generator, whole.weaker().weaker()),
    )
    assert [end.given for end in ends] == [{1, 2, 3}, {1, 2}, {1}]


async def it_can_be_left_and_asked_again(stage: Stage) -> None:
    generator = stage.open()
    items = generator.stream(prompt(*PASSAGES))
    assert isinstance(await anext(items), Token)
    async with asyncio.timeout(SOON):
        await items.aclose()
    assert (await finish(generator, prompt(*PASSAGES))).given == {1, 2, 3}


async def ping_returns_where_it_can_serve(stage: Stage) -> None:
    await stage.open().ping()


async def leaving_ends_the_work_upstream(stage: Upstream) -> None:
    generator = stage.open()
    stage.dawdle()
    items = generator.stream(prompt(*PASSAGES))
    await anext(items)
    assert not stage.abandoned()
    await items.aclose()
    async with asyncio.timeout(SOON):
        while not stage.abandoned():  # noqa: ASYNC110 -- the server lives in another thread
            await asyncio.sleep(0.01)


async def an_outage_before_the_first_token_is_for_later(stage: Upstream) -> None:
    generator = stage.open()
    stage.vanish()
    with pytest.raises(RetryLater) as raised:
        await spoken(generator, prompt(*PASSAGES))
    assert not isinstance(raised.value, StreamBroken)


async def a_stream_that_breaks_raises(stage: Upstream) -> None:
    generator = stage.open()
    stage.break_off()
    items: list[Token | Finish] = []
    with pytest.raises(StreamBroken):  # noqa: PT012 -- what came before the error counts
        async for item in generator.stream(prompt(*PASSAGES)):
            items.append(item)  # noqa: PERF401
    assert items
    assert all(isinstance(item, Token) for item in items)


async def ping_raises_where_it_can_not_serve(stage: Upstream) -> None:
    generator = stage.open()
    stage.vanish()
    with pytest.raises(RetryLater):
        await generator.ping()


CHECKS: tuple[Check, ...] = (
    it_has_a_name_and_a_place,
    the_last_item_is_the_only_finish,
    every_token_has_text,
    the_finish_names_who_spoke,
    given_are_the_numbers_that_it_saw,
    streams_do_not_mix,
    it_can_be_left_and_asked_again,
    ping_returns_where_it_can_serve,
)
UPSTREAM_CHECKS: tuple[UpstreamCheck, ...] = (
    leaving_ends_the_work_upstream,
    an_outage_before_the_first_token_is_for_later,
    a_stream_that_breaks_raises,
    ping_raises_where_it_can_not_serve,
)
