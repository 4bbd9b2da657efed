"""The OpenAPI document is what the endpoint does: no answer that it doesn't name, and no fault."""

import json
from collections.abc import Sequence
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity
from rag.core.answers import Question, Token
from rag.core.definitions.campus import Identity
from rag.core.errors import BadQuestion, EgressRefused, NotFound, RetryLater, StreamBroken
from rag.core.records import Labels
from tests.fakes_http import FakeCampus, Script, Step, answer, refusal, spoken

FAILURES: tuple[Exception, ...] = (
    BadQuestion("No such facet.", mend="Known: ects."),
    EgressRefused("Only a generator outside is left."),
    NotFound("Nothing was published."),
    RetryLater("down", after=2),
    StreamBroken("hung up"),
    KeyError("a bug"),
)


def endpoint(script: Script) -> FastAPI:
    campus = FakeCampus()
    campus.it.script = campus.courses.script = script
    return create_app(campus, identity=KeyIdentity(Identity()))


def answering(question: Question, labels: Labels) -> Sequence[Step]:
    return spoken(answer() if len(question.text) % 2 else refusal())


def failing(question: Question, labels: Labels) -> Sequence[Step]:
    """Every failure, before and after the first word."""
    error = FAILURES[len(question.text) % len(FAILURES)]
    return [error] if len(question.text) % 2 else [Token(text="x"), error]


sound = schemathesis.openapi.from_asgi("/openapi.json", endpoint(answering))
broken = schemathesis.openapi.from_asgi("/openapi.json", endpoint(failing))
bounded = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@sound.parametrize()
@bounded
def test_nothing_undocumented_is_answered_and_nothing_fails(case: Case[Any]) -> None:
    case.call_and_validate()


@broken.parametrize()
@bounded
def test_a_failure_is_documented_too(case: Case[Any]) -> None:
    case.call_and_validate(excluded_checks=[not_a_server_error, positive_data_acceptance])


def test_the_document_names_every_route_event_and_way_to_show_a_key() -> None:
    document = endpoint(answering).openapi()
    assert sorted(document["paths"]) == [
        "/bots",
        "/bots/{bot}/chat",
        "/healthz",
        "/readyz",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{model}",
    ]
    assert document["security"] == [{}, {"bearer": []}, {"key": []}]
    chat = document["paths"]["/bots/{bot}/chat"]["post"]
    assert chat["parameters"][0]["schema"]["enum"] == ["it-support", "courses"]
    assert {"200", "401", "413", "422", "500", "503", "504"} <= set(chat["responses"])
    events = chat["responses"]["200"]["content"]["text/event-stream"]["schema"]["oneOf"]
    assert [each["properties"]["event"]["const"] for each in events] == [
        "token",
        "answer",
        "error",
    ]
    assert document["components"]["schemas"]["ChatRequest"]["additionalProperties"] is False
    assert "422" not in document["paths"]["/v1/chat/completions"]["post"]["responses"]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = endpoint(answering).openapi()
    text = json.dumps(document)
    names = {part.split('"', 1)[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names == set(document["components"]["schemas"])
