"""The JSON documents of `/v1`, as OpenAI's clients send and read them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from pydantic.config import JsonDict

from rag.app.http.documents import CitationDocument, Shown
from rag.app.http.errors import Failure
from rag.app.http.texts import VISIBLE, Text
from rag.core.answers import Message, Role

FinishReason = Literal["stop", "length"]
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class Lenient(BaseModel):
    """Base of what OpenAI's clients send: what is not known here is not needed here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ContentPart(Lenient):
    """A part of a message; parts that are no text are left out."""

    type: str
    text: Text | None = None


class MessageDocument(Lenient):
    """One message. What tools say is left out; what system messages say changes nothing."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[ContentPart] | None = None

    def message(self) -> Message | None:
        """The message as prompts know it, or None for a tool's."""
        role = _ROLES.get(self.role)
        return Message(role=role, content=self._text()) if role else None

    def _text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class StreamOptions(Lenient):
    """What a stream shall hold besides."""

    include_usage: StrictBool | None = None


_SOME_TEXT: JsonDict = {"type": "string", "pattern": VISIBLE}
_A_QUESTION: JsonDict = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"const": "user"},
        "content": {
            "anyOf": [
                _SOME_TEXT,
                {
                    "type": "array",
                    "contains": {
                        "type": "object",
                        "required": ["type", "text"],
                        "properties": {"type": {"const": "text"}, "text": _SOME_TEXT},
                    },
                },
            ]
        },
    },
}


class CompletionRequest(Lenient):
    """A conversation whose last question is answered.

    Sampling parameters, tools, `user` and whatever else clients send are ignored: how a bot speaks
    is decided by its definition, and who asks by the request's key alone.
    """

    model: Text = Field(description="A bot's name.")
    messages: list[MessageDocument] = Field(
        min_length=1, json_schema_extra={"contains": _A_QUESTION}
    )
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    n: StrictInt | None = Field(default=None, ge=1, le=1, description="There is one answer.")

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with the count of tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class UsageDocument(Shown):
    """Tokens by the generator's own count; 0 where it does not count."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionMessage(Shown):
    """What the bot says."""

    role: Literal["assistant"] = "assistant"
    content: Text
    refusal: str | None = None


class Choice(Shown):
    """The one answer."""

    index: Literal[0] = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: FinishReason


class CompletionDocument(Shown):
    """A whole answer. `citations` is an addition to OpenAI's form."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: UsageDocument
    citations: list[CitationDocument]


def _missing(value: object) -> bool:
    return value is None


class Delta(Shown):
    """What is new; a key that is not there has not changed."""

    role: Literal["assistant"] | None = Field(default=None, exclude_if=_missing)
    content: Text | None = Field(default=None, exclude_if=_missing)


class ChunkChoice(Shown):
    """The next piece of the one answer."""

    index: Literal[0] = 0
    delta: Delta
    logprobs: None = None
    finish_reason: FinishReason | None = None


class ChunkDocument(Shown):
    """One event of a stream. `citations`, on the chunk that ends the answer, is an addition."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UsageDocument | None = Field(default=None, exclude_if=_missing)
    citations: list[CitationDocument] | None = Field(default=None, exclude_if=_missing)


class ModelDocument(Shown):
    """A bot as a model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["campus-rag"] = "campus-rag"


class ModelsDocument(Shown):
    """Every bot as a model."""

    object: Literal["list"] = "list"
    data: list[ModelDocument]


class OpenAiErrorDetail(Shown):
    """What happened, in OpenAI's words."""

    message: Text
    type: str
    param: str | None = None
    code: str | None = None


class OpenAiErrorDocument(Shown):
    """Every answer that is none."""

    error: OpenAiErrorDetail

    @classmethod
    def of(cls, failure: Failure, *, param: str | None = None) -> "OpenAiErrorDocument":
        """The failure in the form that OpenAI's clients read."""
        ours = failure.status >= 500  # noqa: PLR2004 - where HTTP draws the line
        codes = {"not_found": "model_not_found", "access_refused": "invalid_api_key"}
        detail = OpenAiErrorDetail(
            message=f"{failure.message} {failure.mend}".strip(),
            type="server_error" if ours else "invalid_request_error",
            param=param,
            code=codes.get(failure.type, failure.type),
        )
        return cls(error=detail)
