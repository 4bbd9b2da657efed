"""Passages, prompts and doubles that tests of the bots share."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bots.prompt import PromptTemplate
from rag.core.answers import (
    Answer,
    Egress,
    Finish,
    Message,
    Numbered,
    Prompt,
    Question,
    Retrieved,
    ScoredPassage,
    Token,
    Turn,
)
from rag.core.definitions.bots import BotDefinition
from rag.core.errors import RagError
from rag.core.records import Labels, Passage

PUBLIC: Labels = frozenset({"public"})
PROMPTS = Path(__file__).parent.parent / "config" / "bots" / "prompts"


def passage(
    text: str = "Die App geteduroam richtet eduroam ein.",
    *,
    key: str = "de/eduroam.md",
    title: str = "eduroam",
    heading_path: tuple[str, ...] = ("eduroam", "Einrichten"),
    language: str = "de",
    labels: Iterable[str] = ("public",),
    ordinal: int = 0,
) -> Passage:
    return Passage(
        record_id=f"it-wiki:{key}",
        ordinal=ordinal,
        text=text,
        title=title,
        url=f"https://wiki.sonnhagen.example/{key}#here",
        heading_path=heading_path,
        language=language,
        kind="page",
        source="it-wiki",
        labels=frozenset(labels),
    )


def template(name: str = "cited") -> PromptTemplate:
    return PromptTemplate(de=PROMPTS / f"{name}.de.j2", en=PROMPTS / f"{name}.en.j2")


class PlainTemplate:
    """Renders what a generator was given in the shortest form."""

    def render(self, prompt: Prompt) -> tuple[Message, ...]:
        quoted = " ".join(f"[{each.number}] {each.passage.text}" for each in prompt.passages)
        turns = tuple(Message(role=turn.role, content=turn.text) for turn in prompt.history)
        return (*turns, Message(role="user", content=f"{quoted}\n{prompt.question}"))


def prompt(
    *passages: Passage,
    question: str = "Wie richte ich eduroam ein?",
    language: str = "de",
    history: tuple[Turn, ...] = (),
) -> Prompt:
    numbered = enumerate(passages or (passage(),), start=1)
    return Prompt(
        question=question,
        passages=tuple(Numbered(number=number, passage=each) for number, each in numbered),
        language=language,
        template=template(),
        history=history,
    )


class Scripted:
    """A Generator that says what it was told to, and remembers what it was shown."""

    def __init__(
        self,
        *said: str,
        name: str = "scripted",
        egress: Egress = "campus",
        fails: RagError | None = None,
        given: Iterable[int] | None = None,
        finishes: bool = True,
        cut: bool = False,
    ) -> None:
        self.said = said
        self.name = name
        self.fails = fails
        self.given = given
        self.finishes = finishes
        self.cut = cut
        self.prompts: list[Prompt] = []
        self.closed = 0
        self._egress = egress

    @property
    def egress(self) -> Egress:
        return self._egress

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        self.prompts.append(prompt)
        try:
            for text in self.said:
                yield Token(text=text)
                await asyncio.sleep(0)
            if self.fails:
                raise self.fails
            if self.finishes:
                yield Finish(generator=self.name, given=self._seen(prompt), cut=self.cut)
        finally:
            self.closed += 1

    async def ping(self) -> None:
        if self.fails:
            raise self.fails

    def _seen(self, prompt: Prompt) -> frozenset[int]:
        seen = self.given if self.given is not None else (p.number for p in prompt.passages)
        return frozenset(seen)


@dataclass(kw_only=True)
class Shelf:
    """A Retriever that gives what the labels may see of what lies on it, in order."""

    passages: Sequence[Passage] = ()
    asked: list[Question] = field(default_factory=list)

    def retrieve(self, question: Question, *, labels: Labels, limit: int) -> Retrieved:
        self.asked.append(question)
        seen = [each for each in self.passages if each.labels & labels][:limit]
        scored = [ScoredPassage(passage=each, score=1 / (1 + n)) for n, each in enumerate(seen)]
        return Retrieved(
            passages=scored, filters=question.filters, searched=("it-wiki",), generation="g1"
        )


def definition(**changes: object) -> BotDefinition:
    fields: dict[str, object] = {
        "title": {"de": "IT-Hilfe", "en": "IT help"},
        "index": "it-support",
        "generator": "scripted",
        "refusal": {"de": "Dazu habe ich nichts gefunden.", "en": "I found nothing on this."},
    }
    return BotDefinition.model_validate(fields | changes)


def said(items: Iterable[Token | Finish | Answer]) -> str:
    return "".join(item.text for item in items if isinstance(item, Token))
