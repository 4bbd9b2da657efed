"""How long to wait for a model server, and how often to ask it again."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from rag.core.answers import Finish, Token
from rag.core.definitions.generators import Retry
from rag.core.errors import Busy, RetryLater, StreamBroken

T = TypeVar("T")
Speech = AsyncGenerator[Token | Finish, None]


class Deadline:
    """The moment by which all must be over, retries and waits included."""

    def __init__(self, seconds: float) -> None:
        self._end = asyncio.get_running_loop().time() + seconds

    def left(self) -> float:
        """Seconds, at least 0."""
        return max(0.0, self._end - asyncio.get_running_loop().time())


async def within(work: Awaitable[T], *, idle: float, deadline: Deadline, name: str) -> T:
    """What the work gives, if it does so within `idle` seconds and before the deadline.

    Raises:
        RetryLater: it did not.
    """
    wait = min(idle, deadline.left())
    try:
        async with asyncio.timeout(wait):
            return await work
    except TimeoutError as error:
        raise RetryLater(
            f"{name} said nothing for {wait:.1f} s.",
            mend="Ask again later, or give it more time (timeouts.idle, timeouts.total).",
        ) from error


async def paced(
    items: AsyncGenerator[T, None], *, idle: float, deadline: Deadline, name: str
) -> AsyncGenerator[T, None]:
    """The same items, each waited for at most `idle` seconds and none beyond the deadline.

    The clock runs between items, not between bytes: a server that keeps a silent stream open with
    comments is as idle as one that sends nothing.

    Raises:
        RetryLater: the next item did not come in time.
    """
    async with aclosing(items):
        while True:
            try:
                item = await within(anext(items), idle=idle, deadline=deadline, name=name)
            except StopAsyncIteration:
                return
            yield item


async def persist(
    attempt: Callable[[], Speech], *, retry: Retry, deadline: Deadline, name: str
) -> Speech:
    """Ask an overloaded server again, as long as it has said nothing.

    The wait doubles with each attempt, is drawn from its upper half so that clients don't come back
    together, and is no shorter than the server's own advice. Advice to wait longer than
    `max_backoff` ends the attempts.

    Raises:
        RetryLater: nothing was said; `Busy` if the server was overloaded to the end.
        StreamBroken: the stream broke after its first token.
    """
    for number in range(1, retry.attempts + 1):
        spoken = False
        try:
            async with aclosing(attempt()) as items:
                async for item in items:
                    spoken = True
                    yield item
        except RetryLater as error:
            if spoken:
                raise StreamBroken(
                    f"{name} broke off: {error.message}", mend="Ask again.", after=error.after
                ) from error
            wait = _wait(error, number, retry)
            if not isinstance(error, Busy) or number == retry.attempts or wait > deadline.left():
                raise
        else:
            return
        await asyncio.sleep(wait)


def _wait(error: RetryLater, number: int, retry: Retry) -> float:
    advised = error.after or 0.0
    if advised > retry.max_backoff:
        return float("inf")
    longest: float = min(retry.max_backoff, retry.backoff * 2 ** (number - 1))
    return max(advised, longest * random.uniform(0.5, 1.0))  # noqa: S311 -- not a secret


def advised(header: str | None) -> float | None:
    """Seconds from Retry-After; its other form, a date, is not taken as advice.

    >>> advised("3"), advised("Wed, 21 Oct 2026 07:28:00 GMT"), advised(None)
    (3.0, None, None)
    """
    return float(header) if header and re.fullmatch(r"\d{1,6}", header.strip()) else None
