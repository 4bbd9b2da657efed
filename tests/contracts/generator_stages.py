"""Where the generator contract is played: the real generators, and a sound one in memory."""

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

from bots.chain import FallbackChain
from bots.extractive import ExtractiveGenerator
from bots.openai_compatible import OpenAiGenerator
from bots.redaction import PatternRedactor
from bots.tgi import TgiGenerator
from rag.core.answers import Egress, Finish, Prompt, Token
from rag.core.contracts import Generator
from rag.core.definitions import generators
from rag.core.definitions.bots import EgressPolicy
from rag.core.errors import RetryLater, StreamBroken
from tests.tgi_server import Break, Refuse, Speak, TgiServer

HASTY: dict[str, Any] = {
    "egress": "campus",
    "timeouts": {"connect": 1, "idle": 3, "total": 10},
    "retry": {"attempts": 2, "backoff": 0.01, "max_backoff": 0.05},
}


def tgi(url: str, **changes: Any) -> TgiGenerator:
    fields = HASTY | {"kind": "tgi", "url": url} | changes
    return TgiGenerator(
        name="tgi", definition=generators.TgiGenerator.model_validate(fields), api_key="k-1"
    )


def openai_compatible(url: str, **changes: Any) -> OpenAiGenerator:
    fields = HASTY | {"kind": "openai", "url": f"{url}/v1", "model": "m"} | changes
    return OpenAiGenerator(
        name="openai", definition=generators.OpenAiGenerator.model_validate(fields), api_key="k-1"
    )


def extractive(sentences: int = 4) -> ExtractiveGenerator:
    definition = generators.ExtractiveGenerator(kind="extractive", sentences=sentences)
    return ExtractiveGenerator(name="extractive", definition=definition)


class ExtractiveStage:
    """No server behind it."""

    speakers = frozenset({"extractive"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self) -> Generator:
        return extractive()


class ServerStage:
    """A generator before the double."""

    speakers = frozenset({"tgi"})

    def __init__(self) -> None:
        self.server = TgiServer()

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def open(self) -> Generator:
        return tgi(self.server.url)

    def vanish(self) -> None:
        self.server.healthy = False
        self.server.usual = Refuse(status=503, body={"error": "down", "error_type": "overloaded"})

    def break_off(self) -> None:
        self.server.plan(Break(how="cut"))

    def dawdle(self) -> None:
        self.server.plan(Speak(text=["Open ", "the "] * 500, between=0.02))

    def abandoned(self) -> bool:
        return self.server.hung_up.is_set()


class OpenAiStage(ServerStage):
    """The same server through its OpenAI-compatible side."""

    speakers = frozenset({"openai"})

    def open(self) -> Generator:
        return openai_compatible(self.server.url)


class ChainStage(ServerStage):
    """A chain of one."""

    def open(self) -> Generator:
        member = tgi(self.server.url)
        return FallbackChain([member], policy=EgressPolicy(), redactor=PatternRedactor())


class FallbackStage(ServerStage):
    """A chain whose first member is down from the beginning."""

    def open(self) -> Generator:
        dead = openai_compatible("http://127.0.0.1:9")
        members: list[Generator] = [dead, tgi(self.server.url)]
        return FallbackChain(members, policy=EgressPolicy(), redactor=PatternRedactor())


class Sound:
    """A generator that keeps every promise; faults are planted in it."""

    name = "sound"
    egress: Egress = "campus"

    def __init__(self, stage: "SoundStage") -> None:
        self.stage = stage

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        if self.stage.gone:
            raise RetryLater("sound is gone.")
        try:
            for text in ("Open", " the"):
                yield Token(text=text)
                await asyncio.sleep(0.001)
            if self.stage.breaking:
                raise StreamBroken("sound broke off.")
            while self.stage.dawdling:  # noqa: ASYNC110 -- for ever
                await asyncio.sleep(0.001)
        finally:
            self.stage.left = True
        yield Token(text=" app [1].")
        yield Finish(generator=self.name, given=frozenset(p.number for p in prompt.passages))

    async def ping(self) -> None:
        if self.stage.gone:
            raise RetryLater("sound is gone.")


class SoundStage:
    """Everything in memory; `kind` is the class under test."""

    speakers = frozenset({"sound"})

    def __init__(self, kind: type[Sound] = Sound) -> None:
        self.kind = kind
        self.gone = self.breaking = self.dawdling = self.left = False

    def open(self) -> Generator:
        return self.kind(self)

    def vanish(self) -> None:
        self.gone = True

    def break_off(self) -> None:
        self.breaking = True

    def dawdle(self) -> None:
        self.dawdling = True

    def abandoned(self) -> bool:
        return self.left


STAGES = (ExtractiveStage, ServerStage, OpenAiStage, ChainStage, FallbackStage)
UPSTREAMS = (ServerStage, OpenAiStage, ChainStage)
