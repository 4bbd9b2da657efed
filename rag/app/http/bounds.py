"""The limits of one request: bytes, characters, turns, places."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.app.http.errors import Full
from rag.core.answers import Question, Turn
from rag.core.definitions.campus import Bounds
from rag.core.errors import BadQuestion

BODY_SECONDS = 30.0
_LONGEST_LENGTH = len(str(2**63))


class BodyLimit:
    """Refuses a body that is too large or too slow, whether or not its length was announced."""

    def __init__(self, app: ASGIApp, *, limit: int, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request; reading its body may raise what becomes a 413 or a 408."""
        if scope["type"] == "http":
            receive = self._limited(receive, _announced(scope))
        await self._app(scope, receive, send)

    def _limited(self, receive: Receive, announced: int) -> Receive:
        received = 0
        complete = False
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def limited() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            if announced > self._limit:
                raise self._too_large()
            message = await _before(deadline, receive)
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._limit:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"The body is larger than {self._limit:,} bytes.")


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isdecimal() and len(length) <= _LONGEST_LENGTH else 0


async def _before(deadline: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            return await receive()
    except TimeoutError:
        raise HTTPException(408, "The body took too long to arrive.") from None


class Slots:
    """Places for answers under way. Belongs to one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many answers are under way."""
        return self._taken

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place for as long as the context lasts.

        Raises:
            Full: there is none left.
        """
        if self._taken >= self._limit:
            raise Full(
                "All places are taken at the moment.", mend="Try again in a few seconds.", after=5
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


def check_question(question: Question, bounds: Bounds) -> None:
    """Hold the question against the bounds.

    Raises:
        BadQuestion: the question or its history is empty or too long.
    """
    if not question.text.strip():
        raise BadQuestion("The question is empty.", mend="Ask something.")
    if len(question.text) > bounds.question_chars:
        raise BadQuestion(
            f"The question has {len(question.text):,} characters; "
            f"at most {bounds.question_chars:,} are read.",
            mend="Shorten it.",
        )
    if len(question.history) > bounds.turns:
        raise BadQuestion(
            f"The history has {len(question.history)} turns; at most {bounds.turns} are read.",
            mend="Leave out the oldest.",
        )
    chars = sum(len(turn.text) for turn in question.history)
    if chars > bounds.history_chars:
        raise BadQuestion(
            f"The history has {chars:,} characters; at most {bounds.history_chars:,} are read.",
            mend="Leave out the oldest turns.",
        )


def newest(history: tuple[Turn, ...], bounds: Bounds) -> tuple[Turn, ...]:
    """As much of the history's end as the bounds allow, for callers who send all of it."""
    room = bounds.history_chars

    def fits(turn: Turn) -> bool:
        nonlocal room
        room -= len(turn.text)
        return room >= 0

    backwards = list(reversed(history))[: bounds.turns]
    return tuple(reversed(list(takewhile(fits, backwards))))
