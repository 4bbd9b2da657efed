"""An answer on its way from a bot to a client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from rag.app.http.errors import TookTooLong
from rag.core.answers import Answer, Token
from rag.core.errors import NotFound, RetryLater

Items = AsyncGenerator[Token | Answer, None]


class Answering:
    """Runs one answer in a task of its own while the context lasts, and ends it with the context.

    The bot's generator is iterated and closed by that task alone, because the connections and time
    limits inside of it belong to the task that opened them. Nobody who reads slowly slows it down:
    a model server is free again as soon as it has spoken.
    """

    def __init__(self, items: Items, *, seconds: float) -> None:
        self._items = items
        self._seconds = seconds
        self._queue: asyncio.Queue[Token | Answer | Exception] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    async def next(self, wait: float) -> Token | Answer | None:
        """The next item, or None where none came within so many seconds.

        Raises:
            TookTooLong: the answer did not end within its time.
            Exception: what the bot raised.
        """
        try:
            async with asyncio.timeout(wait):
                item = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    async def _run(self) -> None:
        try:
            await self._speak()
        except NotFound as error:
            nothing = RetryLater(f"There is nothing to answer from yet: {error}")
            self._queue.put_nowait(nothing)
        except Exception as error:  # noqa: BLE001 - raised again by whoever reads the answer
            self._queue.put_nowait(error)

    async def _speak(self) -> None:
        try:
            async with asyncio.timeout(self._seconds) as clock, aclosing(self._items) as items:
                async for item in items:
                    self._queue.put_nowait(item)
                    if isinstance(item, Answer):
                        return
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise TookTooLong(
                f"The answer took longer than {self._seconds:g} seconds.",
                mend="Try again, or ask for less at once.",
            ) from error
        raise RuntimeError("A bot's answer ended without an Answer.")
