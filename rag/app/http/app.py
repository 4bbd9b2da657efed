"""The chat endpoint as one ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware

from rag.app.http.bounds import BodyLimit, Slots
from rag.app.http.campus import Campus
from rag.app.http.chat import chat_router
from rag.app.http.faults import Faults, handle_errors
from rag.app.http.health import health_router
from rag.app.http.identity import Identify
from rag.app.http.openai_api import openai_router
from rag.app.http.openapi import API_VERSION, DESCRIPTION, chat_errors, describe, openai_errors
from rag.app.http.pages import SecureHeaders, add_page
from rag.app.http.service import Service
from rag.core.definitions.campus import HttpSettings
from rag.core.records import Labels


def create_app(campus: Campus, *, identity: Identify) -> FastAPI:
    """Everything that is served: both chat APIs, health, the OpenAPI document and the page.

    The campus is warmed when the server starts, before it accepts the first request.
    """
    settings = campus.settings.rag.http
    # The interactive documentation of FastAPI loads its scripts from elsewhere, and its telemetry
    # could be switched on by the environment: neither is wanted here.
    app = FastAPI(
        title="campus-rag",
        version=API_VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_warming(campus),
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    _add_routes(app, campus, identity, settings)
    handle_errors(app)
    describe(app, campus)
    _wrap(app, settings)
    return app


def _add_routes(app: FastAPI, campus: Campus, identity: Identify, settings: HttpSettings) -> None:
    service = Service(
        campus=campus,
        bounds=settings.bounds,
        slots=Slots(settings.bounds.concurrent),
    )

    async def who_asks(request: Request) -> Labels:
        return identity(request)

    app.include_router(chat_router(service, who_asks, chat_errors()))
    app.include_router(openai_router(service, who_asks, openai_errors()))
    app.include_router(health_router(campus))
    add_page(app)


def _wrap(app: FastAPI, settings: HttpSettings) -> None:
    """Put the layers around the routes; the last one added is the outermost."""
    app.add_middleware(BodyLimit, limit=settings.bounds.body_bytes)
    app.add_middleware(Faults)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After"],
        )
    app.add_middleware(SecureHeaders)


def _warming(campus: Campus) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(campus.warm)
        yield

    return lifespan
