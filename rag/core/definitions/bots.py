"""bots/*.yaml: who answers from what."""

from typing import Annotated

from pydantic import (
    Field,
)

from rag.core.definitions.base import ByLanguage, Definition, Label, Language, Name
from rag.core.records import PUBLIC


class RetrieverSettings(Definition):
    """How passages are found, and when nothing is."""

    limit: int = Field(default=6, ge=1, le=50, description="Passages given to the generator.")
    candidates: int = Field(default=40, ge=1, le=500, description="Passages asked of each side.")
    dense_weight: dict[Language, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description="Weight of the dense side by the question's language; the rest is BM25's.",
    )
    min_score: float = Field(
        default=0.0, ge=0, le=1, description="Passages with a lower score are not relevant."
    )


class EgressPolicy(Definition):
    """What may leave the campus for this bot: by default nothing."""

    allow_external: bool = Field(
        default=False, description="Whether generators outside of the campus may be asked."
    )
    external_labels: tuple[Label, ...] = Field(
        default=(PUBLIC,), description="Only passages with one of these labels go there."
    )


class BotDefinition(Definition):
    """One bot."""

    title: ByLanguage = Field(description="What people call the bot.")
    index: Name = Field(description="Name of a file in indexes/.")
    sources: tuple[Name, ...] = Field(
        default=(), description="A part of the index's sources; empty means all."
    )
    retriever: RetrieverSettings = RetrieverSettings()
    prompt: str = Field(default="cited", description="bots/prompts/NAME.de.j2 and NAME.en.j2.")
    generator: Name = Field(description="Name in generators of rag.yaml.")
    fallbacks: tuple[Name, ...] = Field(
        default=(), description="Asked in this order when the generator is down."
    )
    egress: EgressPolicy = EgressPolicy()
    refusal: ByLanguage = Field(description="What the bot says when it found no answer.")
    examples: dict[Language, tuple[str, ...]] = Field(
        default_factory=dict, description="Questions that the chat page proposes."
    )
