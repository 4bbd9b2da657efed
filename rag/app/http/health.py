"""`GET /healthz` and `GET /readyz`."""

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from rag.app.http.campus import Campus, Ping
from rag.app.http.documents import HealthDocument, PartStatus, ReadyDocument
from rag.app.http.streaming import json_response
from rag.core.errors import Damaged, RetryLater, Unavailable

PING_SECONDS = 5.0
FRESH_SECONDS = 2.0

_LOG = logging.getLogger(__name__)


class Readiness:
    """Asks every part at the same time, each within its time, and remembers for a moment.

    A part that still thinks about an earlier ping is not asked again: whoever polls can't pile up
    work on a part that hangs. Only the kind of trouble is shown; the words, which may name hosts,
    go to the log.
    """

    def __init__(
        self, campus: Campus, *, limit: float = PING_SECONDS, fresh: float = FRESH_SECONDS
    ) -> None:
        self._campus = campus
        self._limit = limit
        self._fresh = fresh
        self._asking: dict[str, asyncio.Task[PartStatus]] = {}
        self._lock = asyncio.Lock()
        self._known: ReadyDocument | None = None
        self._known_at = 0.0

    async def look(self) -> ReadyDocument:
        """How things are, or were a moment ago."""
        async with self._lock:
            if self._known is None or time.monotonic() - self._known_at > self._fresh:
                self._known = await self._ask()
                self._known_at = time.monotonic()
            return self._known

    async def _ask(self) -> ReadyDocument:
        for name, ping in self._pings().items():
            if name not in self._asking:
                self._asking[name] = asyncio.create_task(_status_of(name, ping))
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=self._limit)
        parts = {name: self._taken(name) for name in tuple(self._asking)}
        ready = all(status == "ok" for status in parts.values())
        return ReadyDocument(status="ok" if ready else "unavailable", parts=parts)

    def _pings(self) -> Mapping[str, Ping]:
        """The parts; one that can't even be built is a part that failed."""
        try:
            return self._campus.pings()
        except Exception as error:  # noqa: BLE001 - whatever stands in the way, nobody can be asked
            return {"configuration": partial(_raise, error)}

    def _taken(self, name: str) -> PartStatus:
        if not self._asking[name].done():
            return "slow"
        return self._asking.pop(name).result()


async def _raise(error: Exception) -> None:
    raise error


async def _status_of(name: str, ping: Ping) -> PartStatus:
    try:
        await ping()
    except RetryLater as error:
        _LOG.warning("%s can't serve now: %s", name, error)
        return "unavailable"
    except (Damaged, Unavailable) as error:
        _LOG.error("%s can't serve: %s", name, error)
        return "damaged"
    except Exception:  # noqa: BLE001 - a ping that fails in any way is a part that can't serve
        _LOG.exception("The ping of %s failed", name)
        return "failed"
    return "ok"


def health_router(campus: Campus) -> APIRouter:
    """Liveness and readiness, for whatever watches over the process."""
    router = APIRouter(tags=["health"])
    readiness = Readiness(campus)

    @router.get("/healthz", summary="Whether the process is alive", operation_id="healthz")
    async def healthz() -> HealthDocument:
        return HealthDocument()

    @router.get(
        "/readyz",
        summary="Whether questions can be answered",
        operation_id="readyz",
        response_model=ReadyDocument,
        responses={503: {"model": ReadyDocument, "description": "A part can't serve now."}},
    )
    async def readyz() -> Response:
        ready = await readiness.look()
        return json_response(ready, status=200 if ready.status == "ok" else 503)

    return router
