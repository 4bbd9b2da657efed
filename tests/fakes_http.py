"""A small campus with scripted bots, for tests of what stands between them and HTTP."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag.app.http.campus import Ping
from rag.core.answers import (
    Answer,
    Citation,
    Question,
    Refusal,
    RefusalReason,
    ScoredPassage,
    Token,
)
from rag.core.contracts import Answerer
from rag.core.definitions.base import ByLanguage
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import Bounds, HttpSettings, RagDefinition
from rag.core.errors import NotFound, nearest
from rag.core.records import Labels, Passage
from rag.core.settings import Settings

Step = Token | Answer | Exception | float
Script = Callable[[Question, Labels], Sequence[Step]]

CITATION = Citation(
    number=1,
    record_id="it-wiki:en/eduroam.md",
    passage_id="00000000-0000-5000-8000-000000000001",
    title="eduroam",
    url="https://wiki.sonnhagen.example/eduroam#android",
    heading_path=("eduroam", "Android"),
)
PASSAGE = Passage(
    record_id="it-wiki:en/eduroam.md",
    ordinal=0,
    text="Install the app geteduroam.",
    title="eduroam",
    url="https://wiki.sonnhagen.example/eduroam#android",
    heading_path=("eduroam", "Android"),
    language="en",
    kind="page",
    source="it-wiki",
    labels=frozenset({"public"}),
)


def answer(text: str = "Install the app [1].", language: str = "en") -> Answer:
    """An answer with one citation."""
    return Answer(
        text=text,
        language=language,
        citations=(CITATION,),
        passages=(ScoredPassage(passage=PASSAGE, score=0.75, dense=0.6, sparse=11.0),),
        generator="fake",
        generation="20261101-1",
        input_tokens=120,
        output_tokens=8,
        timings={"retrieve": 0.01, "generate": 0.5},
    )


def refusal(text: str = "I found nothing about that.", language: str = "en") -> Answer:
    """An answer that is none."""
    return Answer(
        text=text, language=language, refusal=Refusal(reason=RefusalReason.NOTHING_RELEVANT)
    )


def spoken(whole: Answer) -> list[Step]:
    """The answer word by word, then itself."""
    words = whole.text.split(" ")
    tokens = [Token(text=word if i == 0 else f" {word}") for i, word in enumerate(words)]
    return [*tokens, whole]


def plain_script(question: Question, labels: Labels) -> Sequence[Step]:
    """One answer to everything."""
    return spoken(answer())


class FakeBot:
    """Says what its script says: tokens and answers, errors to raise, seconds to wait."""

    def __init__(self, name: str, script: Script = plain_script) -> None:
        self._name = name
        self.script = script
        self.asked: list[tuple[Question, Labels]] = []
        self.opened = 0
        self.ended = threading.Event()

    @property
    def name(self) -> str:
        return self._name

    async def answer(
        self, question: Question, *, labels: Labels
    ) -> AsyncGenerator[Token | Answer, None]:
        self.asked.append((question, labels))
        self.opened += 1
        try:
            for step in self.script(question, labels):
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.opened -= 1
            self.ended.set()


def definition(de: str, en: str) -> BotDefinition:
    return BotDefinition(
        title=ByLanguage(de=de, en=en),
        index="it",
        generator="extractive",
        refusal=ByLanguage(de="Dazu habe ich nichts gefunden.", en="I found nothing about that."),
        examples={
            "de": ("Wie verbinde ich mein Handy mit eduroam?", "Wie setze ich mein Passwort?"),
            "en": ("How do I connect my phone to eduroam?", "How do I reset my password?"),
        },
    )


def settings(http: HttpSettings) -> Settings:
    bots = {
        "it-support": definition("IT-Hilfe", "IT support"),
        "courses": definition("Kursberatung", "Course adviser"),
    }
    return Settings(
        root=Path("/nowhere"),
        rag=RagDefinition(http=http),
        sources={},
        indexes={},
        bots=bots,
        evaluations={},
    )


@dataclass
class FakeCampus:
    """Two bots and the pings that a test gives it."""

    http: HttpSettings = field(default_factory=HttpSettings)
    parts: dict[str, Ping] = field(default_factory=dict)
    warmed: int = 0
    it: FakeBot = field(default_factory=lambda: FakeBot("it-support"))
    courses: FakeBot = field(default_factory=lambda: FakeBot("courses"))

    @property
    def settings(self) -> Settings:
        return settings(self.http)

    def bot_names(self) -> tuple[str, ...]:
        return ("it-support", "courses")

    def bot(self, name: str) -> Answerer:
        bots = {"it-support": self.it, "courses": self.courses}
        if name not in bots:
            raise NotFound(f"There is no bot “{name}”.", mend=nearest(name, list(bots)))
        return bots[name]

    def pings(self) -> Mapping[str, Ping]:
        return self.parts

    def warm(self) -> None:
        self.warmed += 1


def bounded(**bounds: float) -> HttpSettings:
    """HTTP settings with some bounds of their own."""
    return HttpSettings(bounds=Bounds.model_validate(bounds))
