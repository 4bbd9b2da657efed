"""What every Answerer promises, sentence by sentence, over a shelf of passages and a voice."""

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import pytest

from rag.core.answers import Answer, Question, RefusalReason, Token
from rag.core.contracts import Answerer
from rag.core.errors import BadQuestion, RagError, RetryLater
from rag.core.records import Labels, Passage
from tests.bot_parts import PUBLIC, passage

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_NUMBER = re.compile(r"(?<!\\)\[(\d+)\](?!\()")


class Bench(Protocol):
    """Builds an Answerer that finds among the passages and says what it is told to."""

    def open(
        self, *passages: Passage, said: str = "", fails: RagError | None = None
    ) -> Answerer: ...

    def listeners(self) -> int:
        """How many streams of the voice are open."""


Check = Callable[[Bench], Awaitable[None]]

SHELF = (
    passage("Die App geteduroam richtet eduroam ein.", key="de/a.md"),
    passage("The app geteduroam sets eduroam up.", key="en/a.md", language="en"),
    passage("Das Passwort des Radius-Servers steht im Tresor.", key="c.md", labels=("staff",)),
)
GERMAN = "Wie richte ich eduroam auf meinem Handy ein?"
ENGLISH = "How do I set up eduroam on my phone?"


async def heard(
    answerer: Answerer, text: str, *, labels: Labels = PUBLIC, language: str | None = None
) -> tuple[str, Answer]:
    """The preview, and the answer behind it."""
    question = Question(text=text, language=language)
    async with aclosing(answerer.answer(question, labels=labels)) as items:
        *tokens, last = [item async for item in items]
    assert isinstance(last, Answer)
    assert all(isinstance(token, Token) and token.text for token in tokens)
    return "".join(token.text for token in tokens if isinstance(token, Token)), last


def numbers(text: str) -> list[int]:
    """Read the cited numbers without the help of the code under test."""
    return [int(number) for number in _NUMBER.findall(_CODE.sub("", text))]


async def the_last_item_is_the_only_answer(bench: Bench) -> None:
    for shelf, said in ((SHELF, "Mit der App [1]."), (SHELF, ""), ((), "")):
        answerer = bench.open(*shelf, said=said)
        items = [item async for item in answerer.answer(Question(text=GERMAN), labels=PUBLIC)]
        assert [isinstance(item, Answer) for item in items] == [*[False] * (len(items) - 1), True]


async def every_number_has_one_citation(bench: Bench) -> None:
    answerer = bench.open(*SHELF, said="Mit der App [1], auch [2, 9] und [7]. Siehe `a[9]` [1].")
    _, answer = await heard(answerer, GERMAN)
    cited = [citation.number for citation in answer.citations]
    assert cited
    assert len(cited) == len(set(cited))
    assert set(numbers(answer.text)) == set(cited)


async def every_citation_is_a_passage_that_was_found(bench: Bench) -> None:
    _, answer = await heard(bench.open(*SHELF, said="Mit der App [2][1]."), GERMAN)
    found = {scored.passage.id: scored.passage for scored in answer.passages}
    assert answer.citations
    for citation in answer.citations:
        cited = found[citation.passage_id]
        assert (citation.record_id, citation.title, citation.url, citation.heading_path) == (
            cited.record_id,
            cited.title,
            cited.url,
            cited.heading_path,
        )


async def numbers_count_the_passages_in_order(bench: Bench) -> None:
    _, answer = await heard(bench.open(*SHELF, said="So [2]."), GERMAN)
    assert [citation.record_id for citation in answer.citations] == ["it-wiki:en/a.md"]


async def the_preview_is_the_text(bench: Bench) -> None:
    said = "Mit der App [1]. Dann  *fertig* [8]. Code: `x [9]` und [2]"
    preview, answer = await heard(bench.open(*SHELF, said=said), GERMAN)
    assert preview == answer.text


async def the_preview_shows_no_unknown_number(bench: Bench) -> None:
    preview, _ = await heard(bench.open(*SHELF, said="Ja [8] und [1] und [77]."), GERMAN)
    assert numbers(preview) == [1]


async def nothing_found_is_a_refusal(bench: Bench) -> None:
    preview, answer = await heard(bench.open(said="Mit der App [1]."), GERMAN)
    assert answer.refusal is not None
    assert answer.refusal.reason is RefusalReason.NOTHING_RELEVANT
    assert not preview
    assert answer.text


async def no_support_is_a_refusal(bench: Bench) -> None:
    for said in ("Das weiß doch jeder.", "Siehe [9].", "", "NO_ANSWER", "**NO\\_ANSWER**. Hm [1]."):
        _, answer = await heard(bench.open(*SHELF, said=said), GERMAN)
        assert answer.refusal is not None, said
        assert answer.refusal.reason is RefusalReason.UNSUPPORTED


async def a_refusal_cites_nothing_and_says_something(bench: Bench) -> None:
    for shelf in (SHELF, ()):
        _, answer = await heard(bench.open(*shelf, said="NO_ANSWER"), GERMAN)
        assert answer.text
        assert not answer.citations
        assert not numbers(answer.text)


async def the_sentinel_is_never_shown(bench: Bench) -> None:
    for said in ("NO_ANSWER", "Mit der App [1]. NO_ANSWER", "`NO_ANSWER`"):
        preview, answer = await heard(bench.open(*SHELF, said=said), GERMAN)
        assert "NO_" not in preview + answer.text


async def an_answer_is_no_refusal(bench: Bench) -> None:
    _, answer = await heard(bench.open(*SHELF, said="Mit der App [1]."), GERMAN)
    assert answer.refusal is None
    assert answer.generator


async def the_language_follows_the_question(bench: Bench) -> None:
    answerer = bench.open(*SHELF, said="NO_ANSWER")
    _, german = await heard(answerer, GERMAN)
    _, english = await heard(answerer, ENGLISH)
    _, told = await heard(answerer, ENGLISH, language="de")
    assert (german.language, english.language, told.language) == ("de", "en", "de")
    assert german.text == told.text != english.text


async def labels_decide_what_is_found(bench: Bench) -> None:
    said = "Im Tresor [3], mit der App [1]."
    _, public = await heard(bench.open(*SHELF, said=said), GERMAN)
    _, staff = await heard(bench.open(*SHELF, said=said), GERMAN, labels=PUBLIC | {"staff"})
    _, nobody = await heard(bench.open(*SHELF, said=said), GERMAN, labels=frozenset())
    seen = {"staff" in scored.passage.labels for scored in public.passages}
    assert seen == {False}
    assert numbers(public.text) == [1]
    assert numbers(staff.text) == [3, 1]
    assert nobody.refusal is not None


async def times_and_the_version_are_told(bench: Bench) -> None:
    for said in ("Mit der App [1].", "NO_ANSWER"):
        _, answer = await heard(bench.open(*SHELF, said=said), GERMAN)
        assert answer.generation
        assert answer.timings["total"] >= answer.timings["retrieve"] >= 0
        assert answer.timings["total"] >= answer.timings["generate"] >= 0


async def an_empty_question_is_a_bad_one(bench: Bench) -> None:
    for text in ("", " \n\t"):
        with pytest.raises(BadQuestion):
            await heard(bench.open(*SHELF, said="Mit der App [1]."), text)


async def an_outage_is_for_later(bench: Bench) -> None:
    with pytest.raises(RetryLater):
        await heard(bench.open(*SHELF, fails=RetryLater("down")), GERMAN)


async def leaving_ends_the_work_behind_it(bench: Bench) -> None:
    answerer = bench.open(*SHELF, said="Mit der App [1]. " * 50)
    items = answerer.answer(Question(text=GERMAN), labels=PUBLIC)
    await anext(items)
    assert bench.listeners() == 1
    await items.aclose()
    assert bench.listeners() == 0


CHECKS: tuple[Check, ...] = (
    the_last_item_is_the_only_answer,
    every_number_has_one_citation,
    every_citation_is_a_passage_that_was_found,
    numbers_count_the_passages_in_order,
    the_preview_is_the_text,
    the_preview_shows_no_unknown_number,
    nothing_found_is_a_refusal,
    no_support_is_a_refusal,
    a_refusal_cites_nothing_and_says_something,
    the_sentinel_is_never_shown,
    an_answer_is_no_refusal,
    the_language_follows_the_question,
    labels_decide_what_is_found,
    times_and_the_version_are_told,
    an_empty_question_is_a_bad_one,
    an_outage_is_for_later,
    leaving_ends_the_work_behind_it,
)
