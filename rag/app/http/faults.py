"""Turns every exception of a route into a documented answer, in the form of its API."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.app.http.errors import Failure, failure_of
from rag.app.http.openai_documents import OpenAiErrorDocument
from rag.app.http.streaming import json_response
from rag.core.errors import RagError

_LONGEST_PLACE = 120
_LONGEST_PROBLEM = 200


class Faults:
    """Catches what nobody foresaw, logs it with a number, and shows only the number."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request. After the status is out, a fault can only end the response."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - the last place where a bug can be caught
            failure = failure_of(error)
            if not started and scope["type"] == "http":
                await _response(Request(scope), failure)(scope, receive, send)


def handle_errors(app: FastAPI) -> None:
    """Give every foreseen kind of exception its answer."""

    @app.exception_handler(RagError)
    async def foreseen(request: Request, error: RagError) -> Response:
        return _response(request, failure_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = tuple(part for part in first["loc"] if part != "body")
        param = ".".join(str(part) for part in place)[:_LONGEST_PLACE] or None
        return _response(request, _invalid(str(first["type"]), str(first["msg"]), param), param)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        response = _response(request, _by_status(error.status_code, error.detail))
        response.headers.update(error.headers or {})
        return response


def _invalid(type: str, problem: str, param: str | None) -> Failure:
    if type == "json_invalid":
        return Failure(status=400, type="bad_request", message="The body is not JSON.")
    place = f"{param}: " if param else ""
    message = f"{place}{problem[:_LONGEST_PROBLEM].rstrip('.')}."
    return Failure(status=422, type="bad_request", message=message, mend="See /openapi.json.")


def _by_status(status: int, detail: str) -> Failure:
    phrase = HTTPStatus(status).phrase
    message = phrase if detail == phrase else detail
    name = phrase.lower().replace(" ", "_").replace("-", "_")
    return Failure(status=status, type=name, message=f"{message.rstrip('.')}.")


def _response(request: Request, failure: Failure, param: str | None = None) -> Response:
    if _is_openai(request.scope):
        # OpenAI knows no 422: its clients read 400 as «mend the request».
        status = 400 if failure.status == HTTPStatus.UNPROCESSABLE_ENTITY else failure.status
        document = OpenAiErrorDocument.of(failure, param=param)
        return json_response(document, status=status, headers=failure.headers())
    return json_response(failure.document(), status=failure.status, headers=failure.headers())


def _is_openai(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).startswith("/v1/")
