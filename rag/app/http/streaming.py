"""A response that carries an answer: as server-sent events, or whole.

It holds a place for as long as it works, and ends the answer's generation when the client goes
away. An error before the first word becomes a status; after it, it is the last event.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from rag.app.http.answering import Answering, Items
from rag.app.http.bounds import Slots
from rag.core.answers import Answer, Token

# Proxies close a connection on which nothing moves for a minute, some sooner.
HEARTBEAT_SECONDS = 10.0
HEARTBEAT = b": \n\n"
# JSON leaves them as they are, and some clients take them for the end of a line.
_NO_BREAKS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"})

Sender = Callable[[Answering, Send], Coroutine[Any, Any, None]]


class AnswerResponse(Response):
    """Opens the answer when it is sent, and closes it when that ends in any way."""

    def __init__(
        self, open_answer: Callable[[], Items], sender: Sender, *, slots: Slots, seconds: float
    ) -> None:
        super().__init__()
        self._open = open_answer
        self._sender = sender
        self._slots = slots
        self._seconds = seconds

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - the form of an ASGI application
        receive: Receive,
        send: Send,
    ) -> None:
        """Send the answer.

        Raises:
            Full: no place is left.
            Exception: what the bot raised before anything was sent.
        """
        with self._slots.take():
            async with Answering(self._open(), seconds=self._seconds) as answering:
                await _while_connected(receive, self._sender(answering, send))


class Writer(Protocol):
    """One API's way to put an answer into server-sent events. Belongs to one answer."""

    def token(self, token: Token) -> bytes:
        """The next piece of the preview."""

    def answer(self, answer: Answer) -> bytes:
        """The answer, and the end."""

    def error(self, error: Exception) -> bytes:
        """The error that took the answer's place, and the end."""


class Events:
    """Sends an answer token by token; a comment now and then shows that it is still under way."""

    def __init__(self, writer: Writer, *, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._writer = writer
        self._heartbeat = heartbeat

    async def __call__(self, answering: Answering, send: Send) -> None:
        """Send the events."""
        # Waiting a little for the first item lets an early failure have a status of its own.
        item = await answering.next(self._heartbeat)
        await send(_start(_events_response()))
        try:
            while not isinstance(item, Answer):
                await send(_part(HEARTBEAT if item is None else self._writer.token(item)))
                item = await answering.next(self._heartbeat)
            last = self._writer.answer(item)
        except Exception as error:  # noqa: BLE001 - the status is out: any error becomes an event
            last = self._writer.error(error)
        await send(_part(last, more=False))


class Whole:
    """Sends an answer as one document, once it stands."""

    def __init__(self, document: Callable[[Answer], BaseModel]) -> None:
        self._document = document

    async def __call__(self, answering: Answering, send: Send) -> None:
        """Send the document."""
        item: Token | Answer | None = None
        while not isinstance(item, Answer):
            item = await answering.next(HEARTBEAT_SECONDS)
        response = json_response(self._document(item))
        await send(_start(response))
        await send(_part(bytes(response.body), more=False))


def event(document: BaseModel, name: str = "") -> bytes:
    """A server-sent event with its name, if it has one, and one line of JSON."""
    head = f"event: {name}\n" if name else ""
    line = document.model_dump_json().translate(_NO_BREAKS)
    return f"{head}data: {line}\n\n".encode()


def json_response(
    document: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A document as JSON, not to be stored on its way."""
    return Response(
        document.model_dump_json(),
        status_code=status,
        headers={"Cache-Control": "no-store"} | (headers or {}),
        media_type="application/json",
    )


def _events_response() -> Response:
    response = Response(media_type="text/event-stream")
    del response.headers["Content-Length"]
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    return response


def _start(response: Response) -> Message:
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or drop it as soon as the client is gone."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
