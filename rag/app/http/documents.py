"""The JSON documents of `/bots` and of health, in and out."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rag.app.http.texts import NotBlank, Text, clean
from rag.core.answers import Answer, Citation, Question, RefusalReason, ScoredPassage, Turn
from rag.core.definitions.base import ByLanguage, Language
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.campus import Bounds
from rag.core.filters import Filter

ConversationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Given(BaseModel):
    """Base of what callers send: nothing is converted, an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Shown(BaseModel):
    """Base of what callers get."""

    model_config = ConfigDict(frozen=True)


class TurnDocument(Given):
    """One earlier message of the conversation."""

    role: Literal["user", "assistant"]
    text: Text


class ChatRequest(Given):
    """A question. Who asks is decided by the request's key alone, never by anything in here."""

    question: NotBlank = Field(examples=["Wie verbinde ich mein Handy mit eduroam?"])
    history: list[TurnDocument] = Field(default=[], description="Earlier turns, oldest first.")
    filters: list[Filter] = Field(
        default=[],
        description="All must hold.",
        examples=[[{"op": "range", "field": "ects", "gte": 5}]],
    )
    conversation: ConversationId | None = Field(
        default=None, description="The caller's own id of the conversation."
    )
    language: Language | None = Field(
        default=None, description="Of the answer; detected from the question where it is missing."
    )
    stream: bool | None = Field(
        default=None,
        description="Server-sent events (true) or one JSON document (false). Where it is missing, "
        "events, unless the Accept header asks for application/json and not for events.",
    )

    def to_question(self) -> Question:
        """The question as the bots take it."""
        return Question(
            text=self.question.strip(),
            history=tuple(Turn(role=each.role, text=each.text) for each in self.history),
            filters=tuple(self.filters),
            language=self.language,
            conversation=self.conversation,
        )


class TokenDocument(Shown):
    """The next piece of the answer's text: a preview, which the answer may correct."""

    text: Text


class CitationDocument(Shown):
    """A number in the answer's text, and the passage it stands for."""

    number: int
    title: Text
    url: Text
    record_id: Text
    heading_path: list[Text]

    @classmethod
    def of(cls, citation: Citation) -> "CitationDocument":
        """The citation as callers see it."""
        return cls(
            number=citation.number,
            title=citation.title,
            url=citation.url,
            record_id=citation.record_id,
            heading_path=list(citation.heading_path),
        )


class PassageDocument(Shown):
    """A passage that was retrieved, best first. Its text stays here; its link leads to it."""

    record_id: Text
    title: Text
    url: Text
    score: float = Field(description="Relevance in [0, 1].")

    @classmethod
    def of(cls, scored: ScoredPassage) -> "PassageDocument":
        """The passage as callers see it."""
        passage = scored.passage
        return cls(
            record_id=passage.record_id, title=passage.title, url=passage.url, score=scored.score
        )


class RefusalDocument(Shown):
    """There is no answer, and why; the text for the person stands in `text`."""

    reason: RefusalReason


class TokensDocument(Shown):
    """Tokens by the generator's own count; null where it does not count."""

    input: int | None
    output: int | None


class AnswerDocument(Shown):
    """The whole answer. Every `[n]` in `text` has one citation."""

    text: Text
    language: str
    citations: list[CitationDocument]
    passages: list[PassageDocument]
    refusal: RefusalDocument | None
    generator: str | None = Field(description="Which generator spoke; null where none had to.")
    generation: str = Field(description="Version of the index that was read.")
    cut: bool = Field(description="The generator ran into its token limit.")
    timings: dict[str, float] = Field(description="Seconds by stage.")
    tokens: TokensDocument

    @classmethod
    def of(cls, answer: Answer) -> "AnswerDocument":
        """The answer as callers see it."""
        return cls(
            text=answer.text,
            language=answer.language,
            citations=[CitationDocument.of(each) for each in answer.citations],
            passages=[PassageDocument.of(each) for each in answer.passages],
            refusal=RefusalDocument(reason=answer.refusal.reason) if answer.refusal else None,
            generator=answer.generator,
            generation=answer.generation,
            cut=answer.cut,
            timings=dict(answer.timings),
            tokens=TokensDocument(input=answer.input_tokens, output=answer.output_tokens),
        )


class BotDocument(Shown):
    """One bot, as a page shows it."""

    name: str
    title: ByLanguage
    languages: list[Language] = Field(description="In which it answers.")
    examples: dict[Language, list[str]] = Field(description="Questions to start with.")

    @classmethod
    def of(cls, name: str, definition: BotDefinition) -> "BotDocument":
        """The bot as its definition describes it."""
        examples: dict[Language, list[str]] = {
            language: list(questions) for language, questions in definition.examples.items()
        }
        return cls(name=name, title=definition.title, languages=["de", "en"], examples=examples)


class LimitsDocument(Shown):
    """What a question may hold; more is answered with 422."""

    question_chars: int
    turns: int
    history_chars: int


class BotsDocument(Shown):
    """Every bot, and what all of them take."""

    bots: list[BotDocument]
    limits: LimitsDocument

    @classmethod
    def of(cls, bots: Iterable[BotDocument], bounds: Bounds) -> "BotsDocument":
        """The bots in their order."""
        limits = LimitsDocument(
            question_chars=bounds.question_chars,
            turns=bounds.turns,
            history_chars=bounds.history_chars,
        )
        return cls(bots=list(bots), limits=limits)


class ErrorDetail(Shown):
    """What happened, and what to do about it."""

    type: str = Field(examples=["not_found"])
    message: Text
    mend: Text = ""


class ErrorDocument(Shown):
    """Every answer that is none."""

    error: ErrorDetail

    @classmethod
    def of(cls, type: str, message: str, mend: str = "") -> "ErrorDocument":
        """An error in the words given."""
        detail = ErrorDetail(type=type, message=clean(message), mend=clean(mend))
        return cls(error=detail)


PartStatus = Literal["ok", "unavailable", "slow", "damaged", "failed"]


class HealthDocument(Shown):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class ReadyDocument(Shown):
    """Whether questions can be answered now, and what each part behind them says."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, PartStatus]
