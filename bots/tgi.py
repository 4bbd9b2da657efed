"""A model behind text-generation-inference as a Generator.

It uses TGI's Messages API, so that the server applies the model's own chat template: Llama,
Mixtral, Falcon and Gemma each have another.
"""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from ssl import SSLContext

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bots.patience import Deadline, Speech, persist
from bots.prompt import Limits, estimated_tokens, fit, most_tokens, without_system
from bots.speech import speech
from bots.tgi_client import TemplateRefused, TgiClient
from bots.trust import trusted
from rag.core.answers import Egress, Message, Prompt
from rag.core.definitions.generators import TgiGenerator as Definition
from rag.core.errors import BadQuestion

_LIMITS_SECONDS = 300.0


class TgiGenerator:
    """Streams what TGI says; the prompt is cut to what the model reads.

    One connection serves one answer, so there is nothing to close and any event loop will do. The
    limits from `/info` are kept for five minutes, or until the server finds a prompt too long.
    Whether the model's template takes a system role is found out once and remembered.
    """

    def __init__(self, *, name: str, definition: Definition, api_key: str | None = None) -> None:
        self._name = name
        self._definition = definition
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._limits: Limits | None = None
        self._limits_end = 0.0
        self._folds = False
        self._tokenizes = True

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    @property
    def egress(self) -> Egress:
        """Where the definition says that the server stands."""
        return self._definition.egress

    def stream(self, prompt: Prompt) -> Speech:
        """Speak.

        Raises:
            RetryLater: TGI can't be reached, is overloaded to the last attempt, or refuses.
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
        """Return when `/health` says that the model is up.

        Raises:
            RetryLater: it is not, or can't be reached.
        """
        async with self._client(Deadline(self._definition.timeouts.idle)) as client:
            await client.healthy()

    async def _attempt(self, prompt: Prompt, deadline: Deadline) -> Speech:
        """One answer, asked for again without a system role where the template has none."""
        for folds in (self._folds, True):
            try:
                async with aclosing(self._once(prompt, deadline, folds=folds)) as items:
                    async for item in items:
                        yield item
            except TemplateRefused:
                if folds:
                    raise
                self._folds = True
            except BadQuestion:
                self._limits_end = 0.0
                raise
            else:
                return

    async def _once(self, prompt: Prompt, deadline: Deadline, *, folds: bool) -> Speech:
        sampling = self._definition.sampling
        async with self._client(deadline) as client:
            limits = await self._known_limits(client)
            if limits:
                room = limits.room(sampling.max_tokens)
                prompt = await self._fitted(client, prompt, room, folds=folds)
            tokens = limits.answer(sampling.max_tokens) if limits else sampling.max_tokens
            said = client.say(_shaped(prompt.messages(), folds=folds), sampling, tokens)
            given = frozenset(each.number for each in prompt.passages)
            async with aclosing(speech(said, name=self._name, given=given)) as items:
                async for item in items:
                    yield item

    async def _known_limits(self, client: TgiClient) -> Limits | None:
        if time.monotonic() >= self._limits_end:
            self._limits = await client.limits()
            self._limits_end = time.monotonic() + _LIMITS_SECONDS
        return self._limits

    async def _fitted(self, client: TgiClient, prompt: Prompt, room: int, *, folds: bool) -> Prompt:
        async def count(messages: tuple[Message, ...]) -> int:
            bound = most_tokens(messages)
            return bound if bound <= room else await self._counted(client, messages, folds=folds)

        return await fit(prompt, room, count)

    async def _counted(
        self, client: TgiClient, messages: tuple[Message, ...], *, folds: bool
    ) -> int:
        """By the server's own tokenizer; estimated where it has none to ask."""
        if self._tokenizes:
            count = await client.count(_shaped(messages, folds=folds))
            if count is not None:
                return count
            self._tokenizes = False
        return estimated_tokens(messages)

    @asynccontextmanager
    async def _client(self, deadline: Deadline) -> AsyncIterator[TgiClient]:
        timeouts = self._definition.timeouts
        async with ClientSession(
            connector=TCPConnector(ssl=self._ssl),
            headers=self._headers,
            timeout=ClientTimeout(total=None, sock_connect=timeouts.connect),
        ) as session:
            yield TgiClient(
                url=self._definition.url,
                name=self._name,
                session=session,
                idle=timeouts.idle,
                deadline=deadline,
            )

    @cached_property
    def _ssl(self) -> SSLContext | bool:
        ca_file = self._definition.ca_file
        return trusted(ca_file) if ca_file else True


def _shaped(messages: tuple[Message, ...], *, folds: bool) -> tuple[Message, ...]:
    return without_system(messages) if folds else messages
