"""rag.yaml: what all sources, indexes and bots share."""

from pydantic import (
    Field,
)

from rag.core.definitions.base import Definition, Label, Name, Seconds, Variable
from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.definitions.engines import EdgeEngine, EngineDefinition
from rag.core.definitions.generators import ExtractiveGenerator, GeneratorDefinition
from rag.core.records import PUBLIC


class ApiKey(Definition):
    """Whoever shows the key that the variable holds gets the labels."""

    name: Name = Field(description="Who holds the key, for those who read the file.")
    key_env: Variable = Field(description="Variable with the key.")
    labels: tuple[Label, ...] = Field(min_length=1, description="What its holder may read.")


class Identity(Definition):
    """Who asks. Without a key a caller gets `anonymous`."""

    anonymous: tuple[Label, ...] = Field(
        default=(PUBLIC,), description="What everybody may read without a key."
    )
    api_keys: tuple[ApiKey, ...] = Field(default=(), description="Keys that open more.")


class Bounds(Definition):
    """Limits of one request."""

    body_bytes: int = Field(default=262_144, ge=1024, description="Largest body of a request.")
    question_chars: int = Field(default=4_000, ge=16, description="Longest question.")
    turns: int = Field(default=40, ge=0, description="Most earlier messages.")
    history_chars: int = Field(
        default=40_000, ge=0, description="Length of all earlier messages together."
    )
    seconds: Seconds = Field(default=240, description="Until an answer is given up.")
    concurrent: int = Field(default=64, ge=1, description="Answers at the same time.")


class HttpSettings(Definition):
    """The chat endpoint."""

    identity: Identity = Identity()
    bounds: Bounds = Bounds()
    allowed_origins: tuple[str, ...] = Field(default=(), description="Sites that embed the widget.")


class StoreSettings(Definition):
    """The database of runs; SQLite beside the indexes unless a URL is named."""

    url_env: Variable | None = Field(default=None, description="Variable with a SQLAlchemy URL.")


class RagDefinition(Definition):
    """rag.yaml: what all sources, indexes and bots share."""

    engine: EngineDefinition = Field(default=EdgeEngine(), description="Where vectors lie.")
    embedders: dict[Name, EmbedderDefinition] = Field(
        default_factory=lambda: {"default": EmbedderDefinition()},
        description="Name → what turns texts into vectors.",
    )
    generators: dict[Name, GeneratorDefinition] = Field(
        default={"extractive": ExtractiveGenerator(kind="extractive")},
        description="Name → what writes answers.",
    )
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
