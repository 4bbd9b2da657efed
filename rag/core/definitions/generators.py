"""The generators in rag.yaml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
)

from rag.core.answers import Egress
from rag.core.definitions.base import Definition, Seconds, Url, Variable


class Sampling(Definition):
    """How a model draws its words. None leaves a parameter to the server.

    These are what TGI's chat API and OpenAI's have in common.
    """

    max_tokens: int = Field(
        default=512, ge=1, le=32_768, description="Longest answer, in the model's tokens."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="0 says the likeliest word; more varies."
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Draw from the likeliest words that make up this share.",
    )
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Above 0 avoids words that were said before."
    )
    seed: int | None = Field(
        default=None, ge=0, description="The same seed draws the same words again."
    )
    stop: tuple[str, ...] = Field(
        default=(), max_length=16, description="Texts at which the answer ends."
    )


class OpenAiSampling(Sampling):
    """The last two are extensions that vLLM and LiteLLM take, but OpenAI itself refuses."""

    top_k: int | None = Field(
        default=None, ge=1, description="Draw from so many of the likeliest words."
    )
    repetition_penalty: float | None = Field(
        default=None, gt=0, description="Above 1 avoids words that were said before."
    )


class Timeouts(Definition):
    """Seconds: until the connection stands, until the first and between two tokens, and in all."""

    connect: Seconds = Field(default=5, description="Until the connection stands.")
    idle: Seconds = Field(default=30, description="Until the first and between two tokens.")
    total: Seconds = Field(default=180, description="For the whole answer.")


class Retry(Definition):
    """How often an overloaded server is asked again, and how long to wait between."""

    attempts: int = Field(
        default=3, ge=1, le=10, description="How often the server is asked in all."
    )
    backoff: Seconds = Field(
        default=0.5, description="Seconds before the second time; doubled for each further one."
    )
    max_backoff: Seconds = Field(default=8, description="Longest wait, in seconds.")


class ExtractiveGenerator(Definition):
    """Quotes the best sentences of the best passages; needs no model."""

    kind: Literal["extractive"]
    egress: Literal["campus"] = Field(default="campus", description="Nothing leaves the campus.")
    sentences: int = Field(default=4, ge=1, le=20, description="Most sentences of an answer.")


class RemoteGenerator(Definition):
    """What the generators behind a URL have in common."""

    url: Url = Field(description="Address of the service.")
    egress: Egress = Field(description="campus, or external if the text leaves it.")
    api_key_env: Variable | None = Field(default=None, description="Variable with the API key.")
    sampling: Sampling = Sampling()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust in place of the system's, as PEM."
    )


class TgiGenerator(RemoteGenerator):
    """A model served by text-generation-inference."""

    kind: Literal["tgi"]


class OpenAiGenerator(RemoteGenerator):
    """Any OpenAI-compatible service: LiteLLM, vLLM, an API; `url` ends before /chat/completions."""

    kind: Literal["openai"]
    model: str = Field(min_length=1, description="Name of the model at the service.")
    sampling: OpenAiSampling = OpenAiSampling()
    context_tokens: int | None = Field(
        default=None,
        ge=256,
        description="What the model can read: the prompt is cut to fit.",
    )


GeneratorDefinition = Annotated[
    ExtractiveGenerator | TgiGenerator | OpenAiGenerator, Field(discriminator="kind")
]
