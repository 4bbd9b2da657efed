"""The bot beyond its contract: what it asks, what it passes on, and how it ends."""

import asyncio
import threading
import time

import pytest

from bots.bot import Bot
from rag.core.answers import Answer, Question, Retrieved, Token, Turn
from rag.core.errors import EgressRefused, RetryLater, StreamBroken
from rag.core.filters import Eq
from rag.core.records import Labels
from tests.bot_parts import PUBLIC, Scripted, Shelf, definition, passage, said, template
from tests.contracts.generator_stages import extractive

SHELF = tuple(passage(f"Text {n}.", key=f"{n}.md") for n in range(9))


def bot(voice: Scripted, shelf: Shelf | None = None, **changes: object) -> Bot:
    return Bot(
        name="it-support",
        definition=definition(**changes),
        retriever=shelf or Shelf(passages=SHELF),
        generator=voice,
        template=template(),
        detect=lambda _: "de",
    )


async def answered(one: Bot, question: Question | None = None) -> tuple[list[str], Answer]:
    asked = question or Question(text="Wie geht das?")
    *tokens, last = [item async for item in one.answer(asked, labels=PUBLIC)]
    assert isinstance(last, Answer)
    return [token.text for token in tokens if isinstance(token, Token)], last


async def test_the_prompt_has_the_question_the_turns_and_the_passages_in_order() -> None:
    voice, shelf = Scripted("Ja [1]."), Shelf(passages=SHELF)
    turns = (Turn(role="user", text="Hallo"), Turn(role="assistant", text="Hallo!"))
    filters = (Eq(field="level", value="1"),)
    asked = Question(text="Wie geht das?", history=turns, filters=filters, conversation="c1")
    await answered(bot(voice, shelf), asked)
    prompt = voice.prompts[0]
    assert (prompt.question, prompt.history, prompt.language) == ("Wie geht das?", turns, "de")
    assert [each.number for each in prompt.passages] == [1, 2, 3, 4, 5, 6]
    assert [each.passage for each in prompt.passages] == list(SHELF[:6])
    assert shelf.asked[0].filters == filters
    assert (shelf.asked[0].language, shelf.asked[0].conversation) == ("de", "c1")


async def test_the_limit_of_the_definition_counts() -> None:
    voice = Scripted("Ja [1].")
    await answered(bot(voice, retriever={"limit": 2}))
    assert len(voice.prompts[0].passages) == 2


async def test_without_passages_no_generator_is_asked() -> None:
    voice = Scripted("Ja [1].")
    tokens, answer = await answered(bot(voice, Shelf()))
    assert not voice.prompts
    assert not tokens
    assert answer.text == "Dazu habe ich nichts gefunden."
    assert answer.generation == "g1"
    assert answer.generator is None


async def test_a_passage_that_the_speaker_did_not_see_supports_nothing() -> None:
    tokens, answer = await answered(bot(Scripted("Eins [1]. ", "Vier [4].", given={1, 2})))
    assert "".join(tokens) == "Eins [1]. Vier [4]."
    assert answer.text == "Eins [1]. Vier."
    assert [citation.number for citation in answer.citations] == [1]


async def test_the_finish_is_passed_on() -> None:
    _, answer = await answered(bot(Scripted("Ja [1]", name="llama", cut=True)))
    assert (answer.generator, answer.cut) == ("llama", True)


async def test_a_refusal_tells_who_was_asked() -> None:
    _, answer = await answered(bot(Scripted("NO_ANSWER", name="llama")))
    assert answer.generator == "llama"
    assert len(answer.passages) == 6


async def test_tokens_come_while_the_generator_speaks() -> None:
    voice = Scripted("Mit ", "der ", "App ", "[1", "]", ".")
    tokens, answer = await answered(bot(voice))
    assert tokens == ["Mit", " der", " App", " [1]."]
    assert answer.text == "Mit der App [1]."


@pytest.mark.parametrize("text", ["NO", "NO_ANSWERS are given [1].", "KNOW_ANSWER [1]"])
async def test_what_only_looks_like_the_sentinel_is_said(text: str) -> None:
    tokens, _ = await answered(bot(Scripted(*text)))
    assert "".join(tokens) == text


async def test_a_stream_without_a_finish_is_broken() -> None:
    with pytest.raises(StreamBroken):
        await answered(bot(Scripted("Ja [1]", finishes=False)))


@pytest.mark.parametrize("error", [RetryLater("x"), StreamBroken("x"), EgressRefused("x")])
async def test_a_failure_keeps_its_name(error: Exception) -> None:
    voice = Scripted("Ja")
    voice.fails = error  # type: ignore[assignment]
    with pytest.raises(type(error)):
        await answered(bot(voice))


async def test_the_first_token_is_timed() -> None:
    _, answer = await answered(bot(Scripted("Ja [1]")))
    assert 0 <= answer.timings["first_token"] <= answer.timings["generate"]


class Slow(Shelf):
    """Searches in a thread until it is let go."""

    def retrieve(self, question: Question, *, labels: Labels, limit: int) -> Retrieved:
        self.thread = threading.current_thread()
        time.sleep(0.2)
        return super().retrieve(question, labels=labels, limit=limit)


async def test_the_search_does_not_hold_the_loop_and_can_be_cancelled() -> None:
    shelf = Slow(passages=SHELF)
    task = asyncio.create_task(answered(bot(Scripted("Ja [1]"), shelf)))
    started = time.perf_counter()
    await asyncio.sleep(0.02)
    assert time.perf_counter() - started < 0.15
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - started < 0.15
    assert shelf.thread is not threading.main_thread()


async def test_the_extractive_bot_answers_with_what_it_found() -> None:
    shelf = Shelf(passages=(passage("Das VPN heißt eduVPN."), passage("Der Drucker steht in C4.")))
    one = Bot(
        name="it-support",
        definition=definition(),
        retriever=shelf,
        generator=extractive(),
        template=template(),
        detect=lambda _: "de",
    )
    items = [i async for i in one.answer(Question(text="Wo steht der Drucker?"), labels=PUBLIC)]
    answer = items[-1]
    assert isinstance(answer, Answer)
    assert answer.text == said(items)
    assert "Der Drucker steht in C4. [2]" in answer.text
    assert [citation.number for citation in answer.citations] == [2]
