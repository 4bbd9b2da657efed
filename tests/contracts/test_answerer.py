"""The Answerer contract over the bot, and over broken ones that must fail it."""

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import pytest

from bots.bot import Bot
from bots.chain import FallbackChain
from bots.redaction import PatternRedactor
from rag.core.answers import Answer, Question, Refusal, RefusalReason, Token
from rag.core.contracts import Answerer
from rag.core.definitions.bots import EgressPolicy
from rag.core.errors import RagError, RetryLater
from rag.core.records import Labels, Passage
from tests.bot_parts import Scripted, Shelf, definition, template
from tests.contracts import answerer_contract as contract
from tests.contracts.answerer_contract import Check

Items = AsyncGenerator[Token | Answer, None]


def speaks(text: str) -> str:
    return "de" if re.search(r"\b(wie|ich|ein)\b", text.casefold()) else "en"


class BotBench:
    """The bot, in front of a chain of one, wrapped by the answerer under test."""

    def __init__(self, wrap: Callable[[Answerer], Answerer] = lambda bot: bot) -> None:
        self.wrap = wrap
        self.voice = Scripted()

    def open(self, *passages: Passage, said: str = "", fails: RagError | None = None) -> Answerer:
        self.voice = Scripted(*re.findall(r".{1,3}", said, re.DOTALL), fails=fails)
        chain = FallbackChain([self.voice], policy=EgressPolicy(), redactor=PatternRedactor())
        return self.wrap(
            Bot(
                name="it-support",
                definition=definition(),
                retriever=Shelf(passages=passages),
                generator=chain,
                template=template(),
                detect=speaks,
            )
        )

    def listeners(self) -> int:
        return len(self.voice.prompts) - self.voice.closed


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
async def test_the_contract_holds(check: Check) -> None:
    await check(BotBench())


class Planted:
    """The sound bot with one fault."""

    def __init__(self, sound: Answerer) -> None:
        self.sound = sound

    @property
    def name(self) -> str:
        return self.sound.name

    def changed(self, answer: Answer) -> Answer:
        return answer

    async def answer(self, question: Question, *, labels: Labels) -> Items:
        async for item in self.sound.answer(question, labels=labels):
            yield self.changed(item) if isinstance(item, Answer) else item


class SaysItTwice(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        async for item in self.sound.answer(question, labels=labels):
            yield item
            if isinstance(item, Answer):
                yield item


class DropsItsCitations(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, citations=answer.citations[:-1])


class MisquotesTheTitle(Planted):
    def changed(self, answer: Answer) -> Answer:
        citations = tuple(replace(each, title="Wikipedia") for each in answer.citations)
        return replace(answer, citations=citations)


class CountsFromTheEnd(Planted):
    def changed(self, answer: Answer) -> Answer:
        records = [scored.passage.record_id for scored in reversed(answer.passages)]
        citations = tuple(
            replace(each, record_id=records[each.number - 1]) for each in answer.citations
        )
        return replace(answer, citations=citations)


class ImprovesTheText(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, text=f"Gern! {answer.text}")


class ShowsEverything(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        yield Token(text="[8]")
        async for item in self.sound.answer(question, labels=labels):
            yield item


class Eager(Planted):
    """Answers from nothing."""

    def changed(self, answer: Answer) -> Answer:
        return replace(answer, refusal=None, text="Das ist einfach.")


class Timid(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, refusal=Refusal(reason=RefusalReason.UNSUPPORTED))


class BlamesTheSearch(Planted):
    def changed(self, answer: Answer) -> Answer:
        if not answer.refusal:
            return answer
        return replace(answer, refusal=Refusal(reason=RefusalReason.NOTHING_RELEVANT))


class RefusesInSilence(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, text="") if answer.refusal else answer


class ShowsTheSentinel(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, text="NO_ANSWER") if answer.refusal else answer


class OnlyGerman(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        async for item in self.sound.answer(replace(question, language="de"), labels=labels):
            yield item


class Indiscreet(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        async for item in self.sound.answer(question, labels=labels | {"public", "staff"}):
            yield item


class Timeless(Planted):
    def changed(self, answer: Answer) -> Answer:
        return replace(answer, timings={})


class AnswersNothing(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        asked = replace(question, text=question.text.strip() or "?")
        async for item in self.sound.answer(asked, labels=labels):
            yield item


class HidesOutages(Planted):
    async def answer(self, question: Question, *, labels: Labels) -> Items:
        try:
            async for item in self.sound.answer(question, labels=labels):
                yield item
        except RetryLater:
            yield Answer(text="Leider nein.", language="de")


class LeavesItRunning(Planted):
    kept: Items

    async def answer(self, question: Question, *, labels: Labels) -> Items:
        self.kept = self.sound.answer(question, labels=labels)
        yield await anext(self.kept)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (SaysItTwice, contract.the_last_item_is_the_only_answer),
        (DropsItsCitations, contract.every_number_has_one_citation),
        (MisquotesTheTitle, contract.every_citation_is_a_passage_that_was_found),
        (CountsFromTheEnd, contract.numbers_count_the_passages_in_order),
        (ImprovesTheText, contract.the_preview_is_the_text),
        (ShowsEverything, contract.the_preview_shows_no_unknown_number),
        (Eager, contract.nothing_found_is_a_refusal),
        (BlamesTheSearch, contract.no_support_is_a_refusal),
        (RefusesInSilence, contract.a_refusal_cites_nothing_and_says_something),
        (ShowsTheSentinel, contract.the_sentinel_is_never_shown),
        (Timid, contract.an_answer_is_no_refusal),
        (OnlyGerman, contract.the_language_follows_the_question),
        (Indiscreet, contract.labels_decide_what_is_found),
        (Timeless, contract.times_and_the_version_are_told),
        (AnswersNothing, contract.an_empty_question_is_a_bad_one),
        (HidesOutages, contract.an_outage_is_for_later),
        (LeavesItRunning, contract.leaving_ends_the_work_behind_it),
    ],
)
async def test_a_planted_fault_is_found(fault: type[Planted], check: Any) -> None:
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        await check(BotBench(fault))


def test_every_sentence_has_its_planted_fault() -> None:
    marks = test_a_planted_fault_is_found.pytestmark
    assert {check for _, check in marks[0].args[1]} == set(contract.CHECKS)
