"""What the OpenAPI document says beyond what FastAPI finds out by itself."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from rag.app.http.campus import Campus
from rag.app.http.documents import AnswerDocument, ErrorDocument, TokenDocument
from rag.app.http.openai_documents import ChunkDocument, OpenAiErrorDocument
from rag.core.filters import And, AnyOf, Eq, Not, Range

API_VERSION = "1"
DESCRIPTION = """\
Ask the bots of a campus. An API key, where one is needed, goes into `Authorization: Bearer …` or
`X-API-Key`; it alone decides what the asker may see.
"""
_REF = "#/components/schemas/{model}"
_ERRORS = {
    400: "The body is not JSON, or is nested too deeply.",
    401: "The API key is not known here.",
    403: "A rule of this service forbids it.",
    408: "The body took too long to arrive.",
    413: "The body is too large.",
    422: "The body breaks a rule or a bound.",
    500: "A fault, with a number to report.",
    503: "No answer can be had at the moment; Retry-After says when to try again.",
    504: "The answer took too long.",
}
_AUTHENTICATION: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

Responses = dict[int | str, dict[str, Any]]


def chat_errors() -> Responses:
    """What every route of `/bots` may answer besides."""
    return _documented(_ERRORS, ErrorDocument)


def openai_errors() -> Responses:
    """What every route of `/v1` may answer besides: OpenAI knows no 422."""
    texts = {status: text for status, text in _ERRORS.items() if status != 422}  # noqa: PLR2004
    texts[400] = "The body is not JSON, or breaks a rule or a bound."
    return _documented(texts, OpenAiErrorDocument)


def describe(app: FastAPI, campus: Campus) -> None:
    """Have the app complete its document when it is first asked for."""
    found = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(found(), campus)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's own way to extend it


def _documented(texts: dict[int, str], model: type[BaseModel]) -> Responses:
    return {status: {"model": model, "description": text} for status, text in texts.items()}


def _completed(schema: dict[str, Any], campus: Campus) -> dict[str, Any]:
    components = schema["components"]
    components["securitySchemes"] = _AUTHENTICATION
    schema["security"] = [{}, *({name: []} for name in _AUTHENTICATION)]
    _add_events(schema)
    _add_bounds(components["schemas"], campus)
    for each in (Eq, AnyOf, Range, Not, And):
        # It has a default for those who write Python; in JSON it tells the filters apart.
        described = components["schemas"][each.__name__]
        described["required"] = sorted({*described.get("required", ()), "op"})
    names = list(campus.bot_names())
    components["schemas"]["CompletionRequest"]["properties"]["model"]["enum"] = names
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            _complete(path, operation, names)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return schema


def _complete(path: str, operation: dict[str, Any], names: list[str]) -> None:
    if path.startswith("/v1/"):
        operation["responses"].pop("422", None)
    if "health" in operation["tags"]:
        operation["security"] = []
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in {"bot", "model"}:
            parameter["schema"]["enum"] = names


def _add_events(schema: dict[str, Any]) -> None:
    """Describe the events of both streams, each with the document that its data holds."""
    schemas = schema["components"]["schemas"]
    for model in (TokenDocument, ChunkDocument):
        described = model.model_json_schema(ref_template=_REF, mode="serialization")
        for name, inner in described.pop("$defs", {}).items():
            schemas.setdefault(name, inner)
        schemas[model.__name__] = described
    _content(schema, "/bots/{bot}/chat")["schema"] = {
        "oneOf": [
            _event(TokenDocument, name="token"),
            _event(AnswerDocument, name="answer"),
            _event(ErrorDocument, name="error"),
        ]
    }
    _content(schema, "/v1/chat/completions")["schema"] = {
        "anyOf": [
            _event(ChunkDocument),
            _event(OpenAiErrorDocument),
            {"type": "object", "properties": {"data": {"const": "[DONE]"}}, "required": ["data"]},
        ]
    }


def _content(schema: dict[str, Any], path: str) -> dict[str, Any]:
    responses = schema["paths"][path]["post"]["responses"]
    content: dict[str, Any] = responses["200"]["content"]["text/event-stream"]
    return content


def _event(model: type[BaseModel], *, name: str | None = None) -> dict[str, Any]:
    """One event as the OpenAPI Initiative describes them, for a schema of what a stream holds."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": _REF.format(model=model.__name__)},
    }
    properties = {"data": data} | ({"event": {"const": name}} if name else {})
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _add_bounds(schemas: dict[str, Any], campus: Campus) -> None:
    bounds = campus.settings.rag.http.bounds
    asked = schemas["ChatRequest"]["properties"]
    asked["question"]["maxLength"] = bounds.question_chars
    asked["history"]["maxItems"] = bounds.turns
