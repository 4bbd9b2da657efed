"""Any OpenAI-compatible service as a Generator: LiteLLM, vLLM, an API. The home of `openai`."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from ssl import SSLContext
from typing import Any

import httpx
import openai
from openai.types.chat import ChatCompletionChunk

from bots.fence import one_line
from bots.patience import Deadline, Speech, advised, paced, persist, within
from bots.prompt import Limits, estimated_tokens, fit, without_system
from bots.speech import Said, speech
from bots.trust import trusted
from rag.core.answers import Egress, Message, Prompt
from rag.core.definitions.generators import OpenAiGenerator as Definition
from rag.core.errors import BadQuestion, Busy, RagError, RetryLater

_OVERLOAD = frozenset({429, 503, 529})
_MESSAGE_CHARS = 300
_TOO_LONG = re.compile(
    r"context[_ ](?:length|window)|maximum context|too (?:long|many tokens|large)|`inputs`.*must",
    re.IGNORECASE,
)
_NO_SYSTEM_ROLE = re.compile(
    r"system role|roles must alternate|only user and assistant|template[ _]error", re.IGNORECASE
)
_OVERLOADED = re.compile(r"overloaded|too many requests|rate limit", re.IGNORECASE)
_NO_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)


class _Unasked(RetryLater):
    """The service refuses a part of the request that it can be asked without."""


class _SystemRoleRefused(_Unasked):
    """The model's chat template takes no system role."""


class _UsageRefused(_Unasked):
    """The service does not count tokens in a stream."""


class OpenAiGenerator:
    """Streams what the service says; the prompt is cut to `context_tokens` where that is given.

    The key is the one that was given or none at all: what the vendor's client would read from the
    environment belongs to another service. One connection serves one answer. What the service turns
    out not to take, a system role or the request to count tokens, it is not asked for again.
    """

    def __init__(self, *, name: str, definition: Definition, api_key: str | None = None) -> None:
        self._name = name
        self._definition = definition
        self._key = api_key
        self._folds = False
        self._counts = True

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    @property
    def egress(self) -> Egress:
        """Where the definition says that the service stands."""
        return self._definition.egress

    def stream(self, prompt: Prompt) -> Speech:
        """Speak.

        Raises:
            RetryLater: the service can't be reached, is overloaded to the last attempt, or refuses.
            StreamBroken: the stream broke after its first token.
            BadQuestion: the question is too long, even without a passage.
        """
        deadline = Deadline(self._definition.timeouts.total)
        return persist(
            lambda: self._attempt(prompt, deadline),
            retry=self._definition.retry,
            deadline=deadline,
            name=self._name,
        )

    async def ping(self) -> None:
        """Return when the service lists its models.

        Raises:
            RetryLater: it does not, or can't be reached.
        """
        idle = self._definition.timeouts.idle
        async with self._client() as client:
            listed = client.models.with_raw_response.list()
            await within(listed, idle=idle, deadline=Deadline(idle), name=self._name)

    async def _attempt(self, prompt: Prompt, deadline: Deadline) -> Speech:
        """One answer, asked for again without what the service turns out not to take."""
        while True:
            folds, counts = self._folds, self._counts
            try:
                async with aclosing(self._once(prompt, deadline)) as items:
                    async for item in items:
                        yield item
            except _SystemRoleRefused:
                if folds:
                    raise
                self._folds = True
            except _UsageRefused:
                if not counts:
                    raise
                self._counts = False
            else:
                return

    async def _once(self, prompt: Prompt, deadline: Deadline) -> Speech:
        wanted = self._definition.sampling.max_tokens
        if context := self._definition.context_tokens:
            limits = Limits(prompt=context, total=context)
            prompt = await fit(prompt, limits.room(wanted), _estimated)
            wanted = limits.answer(wanted)
        messages = prompt.messages()
        request = self._request(without_system(messages) if self._folds else messages, wanted)
        idle = self._definition.timeouts.idle
        said = paced(self._said(request), idle=idle, deadline=deadline, name=self._name)
        given = frozenset(each.number for each in prompt.passages)
        async with aclosing(speech(said, name=self._name, given=given)) as items:
            async for item in items:
                yield item

    def _request(self, messages: tuple[Message, ...], max_tokens: int) -> dict[str, Any]:
        sampling = self._definition.sampling
        request = {
            "model": self._definition.model,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "stream": True,
            "stream_options": {"include_usage": True} if self._counts else None,
            "max_tokens": max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "frequency_penalty": sampling.frequency_penalty,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
        }
        beyond = {"top_k": sampling.top_k, "repetition_penalty": sampling.repetition_penalty}
        given = {name: value for name, value in request.items() if value is not None}
        extra = {name: value for name, value in beyond.items() if value is not None}
        return {**given, "extra_body": extra} if extra else given

    async def _said(self, request: dict[str, Any]) -> AsyncGenerator[Said, None]:
        async with self._client() as client:
            stream = await client.chat.completions.create(**request)
            async with stream:
                async for chunk in stream:
                    yield _piece(chunk)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[openai.AsyncOpenAI]:
        """The vendor's client for one answer, failing by our names.

        A redirect is not followed: it could lead the text off the campus.
        """
        http = httpx.AsyncClient(
            verify=self._ssl,
            timeout=httpx.Timeout(None, connect=self._definition.timeouts.connect),
            follow_redirects=False,
        )
        url, key = self._definition.url, self._key or ""
        client = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, http_client=http)
        client.organization = client.project = None
        try:
            async with client:
                yield client
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            raise RetryLater(
                f"{self._name} can't be reached: {type(error).__name__}: {error}.",
                mend="Check that the service runs, and the generator's url.",
            ) from error
        except openai.APIError as error:
            text = error.body if isinstance(error.body, str) else error.message
            raise self._failure("in its stream", text, None) from error
        # The client decodes, but checks nothing: what is no chunk shows as one of these.
        except (ValueError, AttributeError, TypeError, LookupError) as error:
            raise RetryLater(
                f"{self._name} does not answer as OpenAI does.",
                mend="Check the generator's url, and what stands between.",
            ) from error

    @cached_property
    def _ssl(self) -> SSLContext:
        ca_file = self._definition.ca_file
        return trusted(ca_file) if ca_file else httpx.create_ssl_context()

    def _refused(self, error: openai.APIStatusError) -> RagError:
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            # Some services repeat a part of the key in their message.
            return RetryLater(
                f"{self._name} refuses the key (HTTP {error.status_code}).",
                mend="Set the variable that the generator's api_key_env names.",
            )
        after = advised(error.response.headers.get("retry-after"))
        what = f"HTTP {error.status_code}"
        if error.status_code in _OVERLOAD:
            return Busy(f"{self._name} answers {what}.", mend="Ask again later.", after=after)
        return self._failure(what, error.message, after)

    def _failure(self, where: str, text: str, after: float | None) -> RagError:
        """What the words of a refusal mean; services differ in their codes."""
        what = f"{self._name} answers {where}: {one_line(text)[:_MESSAGE_CHARS]}."
        if _OVERLOADED.search(text):
            return Busy(what, mend="Ask again later.", after=after)
        if _TOO_LONG.search(text):
            return BadQuestion(what, mend="Ask in fewer words.")
        if _NO_SYSTEM_ROLE.search(text):
            return _SystemRoleRefused(what, mend="Serve a model that has a chat template.")
        if _NO_USAGE.search(text):
            return _UsageRefused(what, mend="See the service's log.")
        return RetryLater(what, mend="See the service's log, and the generator's definition.")


async def _estimated(messages: tuple[Message, ...]) -> int:
    return estimated_tokens(messages)


def _piece(chunk: ChatCompletionChunk) -> Said:
    counted = chunk.usage
    usage = (counted.prompt_tokens, counted.completion_tokens) if counted else None
    if not chunk.choices:
        return Said(usage=usage)
    choice = chunk.choices[0]
    return Said(text=choice.delta.content or "", reason=choice.finish_reason, usage=usage)
