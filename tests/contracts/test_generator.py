"""The Generator contract over every generator, and over broken ones that must fail it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from rag.core.answers import Finish, Prompt, Token
from rag.core.errors import RetryLater, StreamBroken
from tests.contracts import generator_contract as contract
from tests.contracts.generator_contract import Check, UpstreamCheck
from tests.contracts.generator_stages import STAGES, UPSTREAMS, Sound, SoundStage

Items = AsyncGenerator[Token | Finish, None]


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_the_contract_holds(stage: Any, check: Check) -> None:
    with stage() as played:
        await check(played)


@pytest.mark.parametrize("check", contract.UPSTREAM_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("stage", UPSTREAMS, ids=lambda stage: stage.__name__)
async def test_the_contract_holds_before_a_server(stage: Any, check: UpstreamCheck) -> None:
    with stage() as played:
        await check(played)


@pytest.mark.parametrize("check", [*contract.CHECKS, *contract.UPSTREAM_CHECKS])
async def test_the_sound_generator_is_sound(check: Any) -> None:
    await check(SoundStage())


class Nameless(Sound):
    name = "Sound One"


class Restless(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        async for item in super().stream(prompt):
            yield item
        yield Token(text="By the way, ")


class Endless(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        async for item in super().stream(prompt):
            if isinstance(item, Token):
                yield item


class Mute(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        async for item in super().stream(prompt):
            yield Token(text="") if isinstance(item, Token) else item


class Impostor(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        async for item in super().stream(prompt):
            if isinstance(item, Finish):
                yield Finish(generator="gpt", given=item.given)
            else:
                yield item


class Recounts(Sound):
    """Numbers what it saw from 1, whatever the numbers were."""

    async def stream(self, prompt: Prompt) -> Items:
        async for item in super().stream(prompt):
            if isinstance(item, Finish):
                yield Finish(generator="sound", given=frozenset(range(1, 1 + len(item.given))))
            else:
                yield item


class Shares(Sound):
    """Keeps the prompt of the last caller."""

    latest: Prompt

    async def stream(self, prompt: Prompt) -> Items:
        self.latest = prompt
        async for item in super().stream(prompt):
            if isinstance(item, Finish):
                given = frozenset(each.number for each in self.latest.passages)
                yield Finish(generator="sound", given=given)
            else:
                yield item


class OneShot(Sound):
    spent = False

    async def stream(self, prompt: Prompt) -> Items:
        if self.spent:
            raise RetryLater("sound has spoken.")
        self.spent = True
        async for item in super().stream(prompt):
            yield item


class Unhealthy(Sound):
    async def ping(self) -> None:
        raise RetryLater("sound is never well.")


class LeavesItRunning(Sound):
    kept: Items

    async def stream(self, prompt: Prompt) -> Items:
        self.kept = super().stream(prompt)
        yield await anext(self.kept)
        yield await anext(self.kept)


class BreaksBeforeItBegins(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        if self.stage.gone:
            raise StreamBroken("sound broke off.")
        async for item in super().stream(prompt):
            yield item


class TakesABreakForAnEnd(Sound):
    async def stream(self, prompt: Prompt) -> Items:
        try:
            async for item in super().stream(prompt):
                yield item
        except StreamBroken:
            yield Finish(generator="sound", given=frozenset({1}))


class AlwaysWell(Sound):
    async def ping(self) -> None:
        pass


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Nameless, contract.it_has_a_name_and_a_place),
        (Restless, contract.the_last_item_is_the_only_finish),
        (Endless, contract.the_last_item_is_the_only_finish),
        (Mute, contract.every_token_has_text),
        (Impostor, contract.the_finish_names_who_spoke),
        (Recounts, contract.given_are_the_numbers_that_it_saw),
        (Shares, contract.streams_do_not_mix),
        (OneShot, contract.it_can_be_left_and_asked_again),
        (Unhealthy, contract.ping_returns_where_it_can_serve),
        (LeavesItRunning, contract.leaving_ends_the_work_upstream),
        (BreaksBeforeItBegins, contract.an_outage_before_the_first_token_is_for_later),
        (TakesABreakForAnEnd, contract.a_stream_that_breaks_raises),
        (AlwaysWell, contract.ping_raises_where_it_can_not_serve),
    ],
)
async def test_a_planted_fault_is_found(
    fault: type[Sound], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "SOON", 0.1)
    with pytest.raises((AssertionError, RetryLater, TimeoutError, pytest.fail.Exception)):
        await check(SoundStage(fault))


def test_every_sentence_has_its_planted_fault() -> None:
    marks = test_a_planted_fault_is_found.pytestmark
    planted = {check for _, check in marks[0].args[1]}
    assert planted == {*contract.CHECKS, *contract.UPSTREAM_CHECKS}
