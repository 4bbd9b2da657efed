"""What flows from a person to a bot and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Protocol

from rag.core.filters import Filter
from rag.core.records import Labels, Passage

Role = Literal["system", "user", "assistant"]
Egress = Literal["campus", "external"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier message of the conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asks, with all that is needed to understand it.

    `language` is None until it was detected; `asked_at` is aware.
    """

    text: str
    history: tuple[Turn, ...] = ()
    filters: tuple[Filter, ...] = ()
    language: str | None = None
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    conversation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a prompt, as chat models take it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A passage under the number by which the answer cites it, counted from 1."""

    number: int
    passage: Passage


class Template(Protocol):
    """Renders a prompt's parts to messages, in the prompt's language."""

    def render(self, prompt: "Prompt") -> tuple[Message, ...]:
        """The messages in order; passages fenced as data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A question with the passages that may answer it, best first, not yet rendered.

    Generators render it themselves, because each has its own room and its own right to see
    passages: dropping passages never renumbers those that stay.
    """

    question: str
    passages: tuple[Numbered, ...]
    language: str
    template: Template
    history: tuple[Turn, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """The prompt as chat messages."""
        return self.template.render(self)

    def weaker(self) -> "Prompt":
        """The same without its weakest (last) passage."""
        return replace(self, passages=self.passages[:-1])

    def visible_to(self, labels: Labels) -> "Prompt":
        """The same with only the passages that carry one of the labels."""
        kept = tuple(each for each in self.passages if each.passage.labels & labels)
        return replace(self, passages=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The next piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The orderly end of a generator's stream.

    `given` are the numbers of the passages that the speaker saw: it can have support from no other.
    `cut` is true where the speaker ran into its token limit.
    """

    generator: str
    given: frozenset[int]
    cut: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A number in the answer's text, and the passage it stands for."""

    number: int
    record_id: str
    passage_id: str
    title: str
    url: str
    heading_path: tuple[str, ...]


class RefusalReason(StrEnum):
    """Why a bot gave no answer."""

    NOTHING_RELEVANT = "nothing_relevant"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No answer, and why; the text for the person stands in the answer."""

    reason: RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last item of every answer stream.

    Every `[n]` in `text` has one citation. `timings` are seconds by stage. `generation` names the
    version of the index that was read.
    """

    text: str
    language: str
    citations: tuple[Citation, ...] = ()
    passages: tuple["ScoredPassage", ...] = ()
    refusal: Refusal | None = None
    generator: str | None = None
    generation: str = ""
    cut: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPassage:
    """A passage with its relevance in [0, 1] and the raw score of each side that found it."""

    passage: Passage
    score: float
    dense: float | None = None
    sparse: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """What a retriever found, best first, one passage a record unless it was asked otherwise.

    `searched` names the sources, `generation` the index version that was pinned.
    """

    passages: Sequence[ScoredPassage]
    filters: tuple[Filter, ...]
    searched: tuple[str, ...]
    generation: str
