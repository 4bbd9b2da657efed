"""`/v1` as the official `openai` client sees it, on a real server."""

from collections.abc import Iterator
from dataclasses import replace

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity
from rag.core.answers import Token
from rag.core.definitions.campus import ApiKey, HttpSettings, Identity
from rag.core.errors import RetryLater, StreamBroken
from tests.fakes_http import FakeCampus, Step, answer, refusal, spoken
from tests.live_server import serving

KEY = "helpdesk-key-0123456789"
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "eduroam?"}]
SOURCES = (
    "\n\n**Sources:**\n\n- [1] [eduroam › Android](https://wiki.sonnhagen.example/eduroam#android)"
)


@pytest.fixture
def campus() -> FakeCampus:
    return FakeCampus()


@pytest.fixture
def client(campus: FakeCampus) -> Iterator[openai.OpenAI]:
    with (
        serving(create_app(campus, identity=KeyIdentity(Identity()))) as base,
        openai.OpenAI(base_url=f"{base}/v1", api_key="sk-none", max_retries=0) as made,
    ):
        yield made


def test_every_bot_is_a_model(client: openai.OpenAI) -> None:
    models = list(client.models.list())
    assert [model.id for model in models] == ["it-support", "courses"]
    assert all(model.object == "model" for model in models)
    assert client.models.retrieve("courses").id == "courses"


def test_a_completion(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="it-support", messages=ASKED)
    assert completion.choices[0].message.content == "Install the app [1]." + SOURCES
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 128
    assert completion.model == "it-support"
    extra = completion.model_extra or {}
    assert extra["citations"][0]["url"] == "https://wiki.sonnhagen.example/eduroam#android"


def test_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="it-support",
        messages=ASKED,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == "Install the app [1]." + SOURCES
    assert len([piece for piece in said if piece]) > 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-2].model_extra or {})["citations"][0]["number"] == 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 8
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


async def test_the_asynchronous_client_streams_too(campus: FakeCampus) -> None:
    app = create_app(campus, identity=KeyIdentity(Identity()))
    with serving(app) as base:
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="none") as client:
            stream = await client.chat.completions.create(
                model="courses", messages=ASKED, stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces).startswith("Install the app [1].")
    assert len(campus.courses.asked) == 1


def test_characters_that_look_like_line_ends_arrive(
    client: openai.OpenAI, campus: FakeCampus
) -> None:
    text = "a\u2028b\u0085c\nd\r\ne"
    campus.it.script = lambda *_: spoken(replace(answer(text), citations=()))
    stream = client.chat.completions.create(model="it-support", messages=ASKED, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == text


def test_a_cut_answer_and_a_refusal(client: openai.OpenAI, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [replace(answer(), cut=True)]
    cut = client.chat.completions.create(model="it-support", messages=ASKED)
    assert cut.choices[0].finish_reason == "length"
    campus.it.script = lambda *_: [refusal()]
    refused = client.chat.completions.create(model="it-support", messages=ASKED)
    assert refused.choices[0].message.content == "I found nothing about that."
    assert refused.choices[0].finish_reason == "stop"


def test_errors_are_those_of_the_client(client: openai.OpenAI, campus: FakeCampus) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as several:
        client.chat.completions.create(model="it-support", messages=ASKED, n=2)
    assert several.value.param == "n"
    campus.it.script = lambda *_: [RetryLater("down", after=3)]
    with pytest.raises(openai.InternalServerError) as away:
        client.chat.completions.create(model="it-support", messages=ASKED)
    assert away.value.status_code == 503
    assert away.value.response.headers["retry-after"] == "3"


def test_a_broken_stream_raises(client: openai.OpenAI, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [Token(text="Install"), StreamBroken("x")]
    stream = client.chat.completions.create(model="it-support", messages=ASKED, stream=True)
    with pytest.raises(openai.APIError, match="broke off"):
        list(stream)


def test_a_retrying_client_gets_its_answer(campus: FakeCampus) -> None:
    tries: Iterator[list[Step]] = iter([[RetryLater("down", after=0.1)], [answer()]])
    campus.it.script = lambda *_: next(tries)
    app = create_app(campus, identity=KeyIdentity(Identity()))
    with (
        serving(app) as base,
        openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=1) as client,
    ):
        completion = client.chat.completions.create(model="it-support", messages=ASKED)
    assert completion.choices[0].message.content == "Install the app [1]." + SOURCES


def test_a_helper_request_retrieves_refuses_and_counts_nothing(
    client: openai.OpenAI, campus: FakeCampus
) -> None:
    asked: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You are a chat thread titling assistant. Be short."},
        {"role": "user", "content": 'User message: "How do I reset my password?"'},
    ]
    title = client.chat.completions.create(model="it-support", messages=asked, max_tokens=24)
    assert title.choices[0].message.content == "How do I reset my password"
    assert title.usage is not None
    assert title.usage.total_tokens == 0
    stream = client.chat.completions.create(model="it-support", messages=asked, stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces) == "How do I reset my password"
    assert campus.it.asked == []


def test_keys(campus: FakeCampus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPDESK_KEY", KEY)
    keys = (ApiKey(name="helpdesk", key_env="HELPDESK_KEY", labels=("public", "staff")),)
    campus.http = HttpSettings(identity=Identity(api_keys=keys))
    app = create_app(campus, identity=KeyIdentity(campus.http.identity))
    with serving(app) as base:
        with openai.OpenAI(base_url=f"{base}/v1", api_key=KEY) as known:
            known.chat.completions.create(model="it-support", messages=ASKED, user="root")
        with (
            openai.OpenAI(base_url=f"{base}/v1", api_key="sk-none") as unknown,
            pytest.raises(openai.AuthenticationError) as refused,
        ):
            unknown.models.list()
    assert refused.value.code == "invalid_api_key"
    assert [labels for _, labels in campus.it.asked] == [{"public", "staff"}]
