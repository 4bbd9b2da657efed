"""Text-generation-inference over HTTP: the home of the vendor `text_generation`.

The client's types, its building of requests and its error classes are used as they are. Its way of
reading answers is not: version 0.7.0 dies on the closing `data: [DONE]`, refuses the chunks of TGI
from 3.2 on (a field that it requires is gone), knows neither `stop` nor the token counts, and has
one time limit for a whole answer.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from aiohttp import ClientError, ClientResponse, ClientSession
from aiohttp.http_exceptions import HttpProcessingError
from text_generation import AsyncClient
from text_generation.errors import OverloadedError, RateLimitExceededError, parse_error
from text_generation.types import ChatRequest
from text_generation.types import Message as ChatMessage

from bots.fence import one_line
from bots.patience import Deadline, advised, paced, within
from bots.prompt import Limits
from bots.speech import Said
from rag.core.answers import Message
from rag.core.definitions.generators import Sampling
from rag.core.errors import BadQuestion, Busy, RagError, RetryLater

_OK, _UNAVAILABLE = 200, 503
_MISSING = frozenset({404, 405, 501})
_MESSAGE_CHARS = 300
_OVERLOADED = re.compile(r"overloaded|too many requests", re.IGNORECASE)
_TOO_LONG = re.compile(r"`inputs`.{0,60}must (?:have less than|be <=)", re.DOTALL)
_TEMPLATE = re.compile(r"template[ _]error", re.IGNORECASE)


class TemplateRefused(RetryLater):
    """The model's chat template takes no system role, or not this order of roles."""


class _Missing(RetryLater):
    """This server has no such page."""


class TgiClient(AsyncClient):  # type: ignore[misc]  # the vendor's class has no types
    """One server, asked for one answer over a session that the caller opens and closes.

    Every method raises `RetryLater` where the server can't be reached, answers with nonsense or not
    in time, and `Busy` where it is overloaded.
    """

    def __init__(
        self, *, url: str, name: str, session: ClientSession, idle: float, deadline: Deadline
    ) -> None:
        super().__init__(url.rstrip("/"))
        self._name = name
        self._session = session
        self._idle = idle
        self._deadline = deadline
        self._stop: tuple[str, ...] = ()

    async def healthy(self) -> None:
        """Return when the model is up."""
        await self._fetched("GET", "/health")

    async def limits(self) -> Limits | None:
        """The model's limits, or None where the server has no such page."""
        try:
            info = await self._decoded("GET", "/info")
        except _Missing:
            return None
        match info:
            case {"max_input_tokens": int(prompt), "max_total_tokens": int(total)}:
                return Limits(prompt=prompt, total=total)
        raise self._nonsense("/info")

    async def count(self, messages: tuple[Message, ...]) -> int | None:
        """Tokens of the messages in the model's own template, None where it has no tokenizer.

        Raises:
            TemplateRefused: the template does not take these roles.
        """
        body = {"messages": [_message(each).model_dump(exclude_none=True) for each in messages]}
        try:
            answer = await self._decoded("POST", "/chat_tokenize", body)
        except _Missing:
            return None
        match answer:
            case {"tokenize_response": [*tokens]}:
                return len(tokens)
        raise self._nonsense("/chat_tokenize")

    async def say(
        self, messages: tuple[Message, ...], sampling: Sampling, max_tokens: int
    ) -> AsyncGenerator[Said, None]:
        """The answer in pieces, as they come.

        Raises:
            TemplateRefused: the template does not take these roles.
            BadQuestion: the prompt is too long.
        """
        self._stop = sampling.stop
        chunks = await self.chat(
            [_message(each) for each in messages],
            stream=True,
            max_tokens=max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            frequency_penalty=sampling.frequency_penalty,
            seed=sampling.seed,
        )
        timely = paced(chunks, idle=self._idle, deadline=self._deadline, name=self._name)
        async with aclosing(timely):
            async for chunk in timely:
                yield self._said(chunk)

    async def _chat_stream_response(self, request: ChatRequest) -> AsyncGenerator[object, None]:
        """The vendor's hook: the decoded chunks of one streamed answer."""
        # `repetition_penalty` is the client's own idea: TGI's chat API has none.
        body = request.model_dump(exclude_none=True, exclude={"repetition_penalty"})
        body["stream_options"] = {"include_usage": True}
        if self._stop:
            body["stop"] = self._stop
        async with self._opened("POST", "/v1/chat/completions", body) as response:
            async for line in response.content:
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:"):
                    yield json.loads(data)

    async def _decoded(self, method: str, path: str, body: object = None) -> object:
        data = await self._fetched(method, path, body)
        try:
            return json.loads(data)
        except ValueError as error:
            raise self._nonsense(path) from error

    async def _fetched(self, method: str, path: str, body: object = None) -> bytes:
        async def whole() -> bytes:
            async with self._opened(method, path, body) as response:
                return await response.read()

        return await within(whole(), idle=self._idle, deadline=self._deadline, name=self._name)

    @asynccontextmanager
    async def _opened(
        self, method: str, path: str, body: object = None
    ) -> AsyncIterator[ClientResponse]:
        """An answer with status 200, whose reading fails by our names too.

        A redirect is not followed: it could lead the text off the campus.
        """
        url = f"{self.base_url}{path}"
        try:
            async with self._session.request(
                method, url, json=body, allow_redirects=False
            ) as response:
                if response.status != _OK:
                    raise await self._refused(response)
                yield response
        except (ClientError, HttpProcessingError, OSError) as error:
            raise RetryLater(
                f"{self._name} can't be reached: {type(error).__name__}: {error}.",
                mend="Check that the server runs, and the generator's url.",
            ) from error
        except ValueError as error:
            raise self._nonsense(path) from error

    async def _refused(self, response: ClientResponse) -> RagError:
        try:
            payload = await response.json(content_type=None)
        except (ValueError, ClientError):
            payload = None  # a proxy's page: the status has to do
        if response.status in _MISSING:
            return _Missing(f"{self._name} has no {response.url.path}.", mend="Check its url.")
        return self._failure(response.status, payload, advised(response.headers.get("Retry-After")))

    def _said(self, chunk: object) -> Said:
        match chunk:
            case {"error": _}:
                raise self._failure(_OK, chunk, after=None)
            case {"choices": [{"delta": {**delta}} as choice, *_]}:
                text, reason = delta.get("content") or "", choice.get("finish_reason")
                return Said(text=str(text), reason=reason and str(reason), usage=_usage(chunk))
            case {"choices": []}:
                return Said(usage=_usage(chunk))
        raise self._nonsense("/v1/chat/completions")

    def _failure(self, status: int, payload: object, after: float | None) -> RagError:
        """What an error body means: a status over HTTP, or an event in a stream that began well."""
        text, kind = _error_of(payload)
        what = (
            f"{self._name} answers HTTP {status}: {one_line(text)[:_MESSAGE_CHARS] or 'nothing'}."
        )
        error = parse_error(status, {"error": text, "error_type": kind})
        overloaded = isinstance(error, OverloadedError | RateLimitExceededError)
        if overloaded or status == _UNAVAILABLE or _OVERLOADED.search(text):
            return Busy(what, mend="Ask again later.", after=after)
        if _TOO_LONG.search(text):
            return BadQuestion(what, mend="Ask in fewer words.")
        if _TEMPLATE.search(f"{kind} {text}"):
            return TemplateRefused(what, mend="Serve a model that has a chat template.")
        return RetryLater(what, mend="See the server's log, and the generator's definition.")

    def _nonsense(self, path: str) -> RetryLater:
        return RetryLater(
            f"{self._name} does not answer {path} as TGI does.",
            mend="Check the generator's url, and what stands between.",
        )


def _message(message: Message) -> ChatMessage:
    return ChatMessage(role=message.role, content=message.content)


def _usage(chunk: object) -> tuple[int, int] | None:
    match chunk:
        case {"usage": {"prompt_tokens": int(prompt), "completion_tokens": int(completion)}}:
            return prompt, completion
    return None


def _error_of(payload: object) -> tuple[str, str]:
    """Text and type of an error, in the form of TGI's API or of its OpenAI-like stream events."""
    match payload:
        case {"error": {"message": str(text)}}:
            return text, ""
        case {"error": str(text), "error_type": str(kind)}:
            return text, kind
        case {"error": str(text)}:
            return text, ""
    return "", ""
