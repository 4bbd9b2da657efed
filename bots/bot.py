"""A bot: a question in, tokens as a preview, and one answer with its citations out."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from time import perf_counter

from bots.citations import CitationStream, Cited, cite
from bots.prompt import SENTINEL
from rag.core.answers import (
    Answer,
    Citation,
    Finish,
    Numbered,
    Prompt,
    Question,
    Refusal,
    RefusalReason,
    Retrieved,
    Template,
    Token,
)
from rag.core.contracts import Generator, Retriever
from rag.core.definitions.bots import BotDefinition
from rag.core.errors import BadQuestion, StreamBroken
from rag.core.records import Labels

# As models write it: bold, quoted, in backticks, or with Markdown's escape before the underscore.
_QUOTES = "*`\"'„“”"
_SENTINEL = re.compile(rf"[{_QUOTES}]*" + SENTINEL.replace("_", r"\\?_") + rf"\b[{_QUOTES}]*[.!]?")


class Bot:
    """An Answerer over one retriever and one generator.

    It refuses in the asker's language where nothing relevant was found, where the generator says
    that the passages don't answer, and where its answer rests on none of them.

    A follow-up question is searched for as it stands; the generator sees the earlier turns.
    """

    def __init__(
        self,
        *,
        name: str,
        definition: BotDefinition,
        retriever: Retriever,
        generator: Generator,
        template: Template,
        detect: Callable[[str], str],
    ) -> None:
        self._name = name
        self._definition = definition
        self._retriever = retriever
        self._generator = generator
        self._template = template
        self._detect = detect

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    async def answer(
        self, question: Question, *, labels: Labels
    ) -> AsyncGenerator[Token | Answer, None]:
        """Find, speak, check.

        Raises:
            BadQuestion: there is no question, or it is too long for the model.
            RetryLater: the engine or every generator is down.
            StreamBroken: the generator broke off.
            EgressRefused: only a generator outside of the campus is left, and may not be asked.
        """
        if not question.text.strip():
            raise BadQuestion("The question is empty.", mend="Ask something.")
        watch = _Watch()
        language = question.language or self._detect(question.text)
        asked = replace(question, language="de" if language.startswith("de") else "en")
        retrieved = await self._retrieve(asked, labels)
        watch.stop("retrieve")
        if not retrieved.passages:
            reason = RefusalReason.NOTHING_RELEVANT
            yield self._refusal(asked, retrieved, reason, timings=watch.timings())
            return
        speech = _Speech(range(1, len(retrieved.passages) + 1))
        async with aclosing(self._generator.stream(self._prompt(asked, retrieved))) as items:
            async for item in items:
                if isinstance(item, Token):
                    watch.first("first_token")
                if text := speech.take(item):
                    yield Token(text=text)
        watch.stop("generate")
        if text := speech.rest():
            yield Token(text=text)
        yield self._judged(asked, retrieved, speech, watch.timings())

    async def _retrieve(self, question: Question, labels: Labels) -> Retrieved:
        """The one bridge to the synchronous side; the engines search in a thread."""
        limit = self._definition.retriever.limit
        return await asyncio.to_thread(
            self._retriever.retrieve, question, labels=labels, limit=limit
        )

    def _prompt(self, question: Question, retrieved: Retrieved) -> Prompt:
        numbered = enumerate(retrieved.passages, start=1)
        return Prompt(
            question=question.text,
            passages=tuple(Numbered(number=n, passage=each.passage) for n, each in numbered),
            language=question.language or "en",
            template=self._template,
            history=question.history,
        )

    def _judged(
        self,
        question: Question,
        retrieved: Retrieved,
        speech: "_Speech",
        timings: Mapping[str, float],
    ) -> Answer:
        finish = speech.finish()
        cited = speech.cited()
        if not cited.numbers:
            reason = RefusalReason.UNSUPPORTED
            return self._refusal(question, retrieved, reason, finish=finish, timings=timings)
        return Answer(
            text=cited.text,
            language=question.language or "en",
            citations=tuple(_citation(number, retrieved) for number in cited.numbers),
            passages=tuple(retrieved.passages),
            generator=finish.generator,
            generation=retrieved.generation,
            cut=finish.cut,
            input_tokens=finish.input_tokens,
            output_tokens=finish.output_tokens,
            timings=timings,
        )

    def _refusal(
        self,
        question: Question,
        retrieved: Retrieved,
        reason: RefusalReason,
        *,
        timings: Mapping[str, float],
        finish: Finish | None = None,
    ) -> Answer:
        language = question.language or "en"
        return Answer(
            text=self._definition.refusal.of(language),
            language=language,
            passages=tuple(retrieved.passages),
            refusal=Refusal(reason=reason),
            generator=finish.generator if finish else None,
            generation=retrieved.generation,
            input_tokens=finish.input_tokens if finish else None,
            output_tokens=finish.output_tokens if finish else None,
            timings=timings,
        )


class _Speech:
    """What the generator says: what of it may be shown at once, and what it comes to in the end."""

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._preview = CitationStream(known)
        self._said: list[str] = []
        self._shown = False
        self._refused = False
        self._finish: Finish | None = None

    def take(self, item: Token | Finish) -> str:
        """The text to show now, in whole words; nothing of a refusal."""
        if isinstance(item, Finish):
            self._finish = item
            return ""
        self._said.append(item.text)
        return self._show(self._preview.feed(item.text))

    def rest(self) -> str:
        """What was held back."""
        return self._show(self._preview.close())

    def finish(self) -> Finish:
        """The orderly end.

        Raises:
            StreamBroken: there was none.
        """
        if self._finish is None:
            raise StreamBroken("The generator's stream ended without a finish.")
        return self._finish

    def cited(self) -> Cited:
        """The whole text, with only the passages that the speaker saw as its support."""
        if self._refused:
            return Cited(text="", numbers=())
        text = _SENTINEL.sub("", "".join(self._said))
        return cite(text, self._known & self.finish().given)

    def _show(self, text: str) -> str:
        if not text or self._refused:
            return ""
        if not self._shown and _SENTINEL.match(text):
            self._refused = True
            return ""
        self._shown = True
        return _SENTINEL.sub("", text)


class _Watch:
    """Seconds by stage; each stage begins where the one before it was stopped."""

    def __init__(self) -> None:
        self._start = self._stage = perf_counter()
        self._seconds: dict[str, float] = {}

    def stop(self, stage: str) -> None:
        now = perf_counter()
        self._seconds[stage] = now - self._stage
        self._stage = now

    def first(self, event: str) -> None:
        """Seconds from the beginning of the stage, the first time only."""
        self._seconds.setdefault(event, perf_counter() - self._stage)

    def timings(self) -> dict[str, float]:
        return {**self._seconds, "total": perf_counter() - self._start}


def _citation(number: int, retrieved: Retrieved) -> Citation:
    passage = retrieved.passages[number - 1].passage
    return Citation(
        number=number,
        record_id=passage.record_id,
        passage_id=passage.id,
        title=passage.title,
        url=passage.url,
        heading_path=passage.heading_path,
    )
