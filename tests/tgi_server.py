"""A double of text-generation-inference on the loopback, for tests.

It follows TGI's API description (version 3.3.6-dev0; fixtures/tgi/openapi.json is the part that is
spoken here) and the recorded chat streams named in fixtures/tgi. Every request body is checked
against the description, names that it does not have are a violation too, and so is an answer of the
double that breaks it. Leaving the server's context asserts that there was no violation.

Not verified against a running TGI: the texts of errors and that those of a streamed request come as
an event in an answer with status 200 (both as the router's sources and public reports show them),
and the double's tokenizer and chat templates, which only stand in for those of real models.
"""

import asyncio
import json
import re
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from tests.tgi_description import FIXTURES, faults_of

FAMILIES: Mapping[str, Mapping[str, Any]] = json.loads(
    (FIXTURES / "families.json").read_text(encoding="utf-8")
)
_INVALID = "Input validation error:"
_TOKEN = re.compile(r"\s?\w{1,5}|\s?[^\w\s]|\s")

Fault = Literal[
    "cut",
    "stall",
    "comments",
    "event",
    "old event",
    "overloaded",
    "garbage",
    "alien",
    "huge",
    "silent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """An orderly answer. `done` is the closing `[DONE]`, `usage` the counts before it."""

    text: str | Sequence[str] = "Open the app [1]."
    reason: str = "stop"
    usage: bool = True
    done: bool = True
    leak: str = ""
    before: float = 0
    between: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """An answer with an error status."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A stream that goes wrong after the text."""

    how: Fault
    text: str = "Open the"


OVERLOADED = {"error": "Model is overloaded", "error_type": "overloaded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class TgiServer:
    """Runs in a thread of its own, so that its client may be synchronous or asynchronous."""

    def __init__(
        self,
        *,
        family: str = "llama",
        max_input_tokens: int = 4096,
        max_total_tokens: int = 8192,
        tokenizer: bool = True,
        info: bool = True,
        healthy: bool = True,
    ) -> None:
        self.family = FAMILIES[family]
        self.name = family
        self.limits = {"max_input_tokens": max_input_tokens, "max_total_tokens": max_total_tokens}
        self.tokenizer = tokenizer
        self.info = info
        self.healthy = healthy
        self.acts: deque[Speak | Refuse | Break] = deque()
        self.usual: Speak | Refuse | Break = Speak()
        self.asked: list[Asked] = []
        self.violations: list[str] = []
        self.hung_up = threading.Event()
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="tgi", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)
        self._loop.close()
        if error is None:
            assert not self.violations, self.violations

    def plan(self, *acts: Speak | Refuse | Break) -> None:
        """What the next chat requests meet, in order; after them comes `usual`."""
        self.acts.extend(acts)

    def chats(self) -> list[Any]:
        """The bodies of the chat requests."""
        return [each.body for each in self.asked if each.path == "/v1/chat/completions"]

    def asked_for(self, path: str) -> int:
        return sum(each.path == path for each in self.asked)

    def tokens(self, messages: Sequence[Mapping[str, str]]) -> list[str]:
        return _TOKEN.findall(templated(self.name, messages))

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())

    async def _run(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/health", self._health)
        app.router.add_get("/info", self._info)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/chat_tokenize", self._chat_tokenize)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._started.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _body(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.asked.append(
            Asked(
                method=request.method,
                path=request.path,
                headers=dict(request.headers),
                body=body,
            )
        )
        if request.method == "POST":
            self.violations += faults_of("ChatRequest", body)
        return body

    def _json(self, schema: str, body: object, status: int = 200) -> web.Response:
        self.violations += faults_of(schema, body)
        return web.json_response(body, status=status)

    async def _health(self, request: web.Request) -> web.Response:
        await self._body(request)
        if self.healthy:
            return web.Response()
        return self._json("ErrorResponse", {"error": "unhealthy", "error_type": "healthcheck"}, 503)

    async def _info(self, request: web.Request) -> web.Response:
        await self._body(request)
        if not self.info:
            return web.Response(status=404, text="Not Found")
        return self._json("Info", info(self.family["model"], **self.limits))

    async def _models(self, request: web.Request) -> web.Response:
        await self._body(request)
        if not self.healthy:
            return web.json_response({"error": {"message": "down"}}, status=503)
        model = {"id": self.family["model"], "object": "model", "created": 0, "owned_by": "x"}
        return web.json_response({"object": "list", "data": [model]})

    async def _chat_tokenize(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if not self.tokenizer:
            error = {
                "error": "No fast tokenizer or tokenizer.json",
                "error_type": "no fast tokenizer",
            }
            return self._json("ErrorResponse", error, 404)
        if refused := self._template_error(body):
            return refused
        tokens = self.tokens(body["messages"])
        simple = [{"id": 1, "text": text, "start": 0, "stop": len(text)} for text in tokens]
        answer = {"tokenize_response": simple, "templated_text": "".join(tokens)}
        return self._json("ChatTokenizeResponse", answer)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        if refused := self._template_error(body):
            return refused
        act = self.acts.popleft() if self.acts else self.usual
        if isinstance(act, Refuse):
            if isinstance(act.body, str):
                return web.Response(status=act.status, text=act.body, headers=act.headers)
            return web.json_response(act.body, status=act.status, headers=act.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(request, response, body, act)
        except ConnectionError:
            self.hung_up.set()
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, body: Any, act: Speak | Break
    ) -> None:
        prompt = len(self.tokens(body["messages"]))
        if too_long := self._too_long(prompt, body):
            await response.write(event({"error": {"message": too_long, "http_status_code": 422}}))
            await response.write(b"data: [DONE]\n\n")
            return
        if isinstance(act, Break):
            await self._break(request, response, act)
            return
        async for data in self._answer(act, prompt, body):
            await response.write(data)
            if request.transport is None or request.transport.is_closing():
                self.hung_up.set()
                return

    async def _answer(self, act: Speak, prompt: int, body: Any) -> AsyncIterator[bytes]:
        whole = _TOKEN.findall(act.text) if isinstance(act.text, str) else list(act.text)
        texts = whole[: body["max_tokens"]]
        reason = act.reason if len(texts) == len(whole) else "length"
        await asyncio.sleep(act.before)
        for text in texts:
            yield self._chunk(text)
            await asyncio.sleep(act.between)
        yield self._chunk(act.leak, reason)
        if act.usage and body.get("stream_options", {}).get("include_usage"):
            usage = {
                "prompt_tokens": prompt,
                "completion_tokens": len(texts),
                "total_tokens": prompt + len(texts),
            }
            yield self._chunk(usage=usage)
        if act.done:
            yield b"data: [DONE]\n\n"

    async def _break(self, request: web.Request, response: web.StreamResponse, act: Break) -> None:
        for text in _TOKEN.findall(act.text):
            await response.write(self._chunk(text))
        if act.how == "cut":
            assert request.transport
            request.transport.abort()
            return
        await response.write(_LAST_WORDS[act.how])
        if act.how in ("stall", "comments", "huge"):
            await self._wait(request, response, comments=act.how == "comments")

    async def _wait(
        self, request: web.Request, response: web.StreamResponse, *, comments: bool
    ) -> None:
        while request.transport is not None and not request.transport.is_closing():
            if comments:
                await response.write(b":\n\n")
            await asyncio.sleep(0.01)
        self.hung_up.set()

    def _chunk(
        self, text: str = "", reason: str | None = None, usage: Mapping[str, int] | None = None
    ) -> bytes:
        delta = {"role": "assistant", "content": text, **self.family["delta"]}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {
            "object": "chat.completion.chunk",
            "id": "",
            "created": 1741265133,
            "model": self.family["model"],
            "system_fingerprint": self.family["system_fingerprint"],
            "choices": [] if usage else [choice],
            "usage": usage,
        }
        self.violations += faults_of("ChatCompletionChunk", chunk)
        return event(chunk)

    def _template_error(self, body: Any) -> web.Response | None:
        roles = [message["role"] for message in body["messages"]]
        turns = [role for role in roles if role != "system"]
        if "system" in roles and not self.family["system_role"]:
            why = "System role not supported"
        elif turns != (["user", "assistant"] * len(turns))[: len(turns)]:
            why = "Conversation roles must alternate user/assistant/user/assistant/..."
        else:
            return None
        text = f"Template error: syntax error: {why} (in <string>:1)"
        return self._json("ErrorResponse", {"error": text, "error_type": "template_error"}, 422)

    def _too_long(self, prompt: int, body: Any) -> str:
        most, total = self.limits["max_input_tokens"], self.limits["max_total_tokens"]
        if prompt > most:
            return f"{_INVALID} `inputs` must have less than {most} tokens. Given: {prompt}"
        if prompt + (new := body["max_tokens"]) > total:
            both = f"Given: {prompt} `inputs` tokens and {new} `max_new_tokens`"
            return f"{_INVALID} `inputs` tokens + `max_new_tokens` must be <= {total}. {both}"
        return ""


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


_FAILED = "Request failed during generation"
_LAST_WORDS: Mapping[str, bytes] = {
    "stall": b"",
    "comments": b"",
    "event": event({"error": {"message": _FAILED, "http_status_code": 422}}),
    "old event": event({"error": _FAILED, "error_type": "generation"}),
    "overloaded": event(OVERLOADED),
    "garbage": b"data: {broken\n\n",
    "alien": b'data: ["no", "chunk"]\n\n',
    "huge": b"data: " + b"x" * 2_000_000,
    "silent": b"data: [DONE]\n\n",  # as older versions hid a failure
}


def info(model: str, **limits: int) -> dict[str, Any]:
    return {
        "model_id": model,
        "model_sha": None,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": 128,
        "max_best_of": 2,
        "max_stop_sequences": 4,
        "validation_workers": 2,
        "max_client_batch_size": 4,
        "router": "text-generation-router",
        "version": "3.3.6-dev0",
        "sha": None,
        "docker_label": None,
        **limits,
    }


def templated(family: str, messages: Sequence[Mapping[str, str]]) -> str:
    """The messages roughly as the family's chat template joins them."""
    forms = {
        "llama": "<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
        "mixtral": "[INST] {content} [/INST]",
        "gemma": "<start_of_turn>{role}\n{content}<end_of_turn>\n",
        "falcon": "{role}: {content}\n",
    }
    return "".join(forms[family].format(**message) for message in messages)
