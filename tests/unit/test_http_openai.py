"""What `/v1` makes of conversations and answers; the official client's view is tested elsewhere."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity
from rag.app.http.openai_text import rest_of, sources, without_sources
from rag.core.answers import Citation, Token, Turn
from rag.core.definitions.campus import Identity
from rag.core.errors import StreamBroken
from tests.fakes_http import CITATION, FakeCampus, answer, bounded, refusal, spoken

SOURCES = (
    "\n\n**Sources:**\n\n- [1] [eduroam › Android](https://wiki.sonnhagen.example/eduroam#android)"
)


@pytest.fixture
def campus() -> FakeCampus:
    return FakeCampus()


@pytest.fixture
async def client(campus: FakeCampus) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(campus, identity=KeyIdentity(Identity()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


async def complete(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    asked = {"model": "it-support", "messages": [{"role": "user", "content": "eduroam?"}]}
    return await client.post("/v1/chat/completions", json=asked | body)


def chunks(body: str) -> list[Any]:
    data = [line.removeprefix("data: ") for line in body.split("\n") if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(each) for each in data[:-1]]


def said(got: list[Any]) -> str:
    return "".join(
        chunk["choices"][0]["delta"].get("content", "") for chunk in got if chunk["choices"]
    )


async def test_a_whole_completion(client: httpx.AsyncClient) -> None:
    document = (await complete(client)).json()
    assert document["object"] == "chat.completion"
    assert document["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Install the app [1]." + SOURCES,
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert document["usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 8,
        "total_tokens": 128,
    }
    assert document["citations"][0]["record_id"] == "it-wiki:en/eduroam.md"


async def test_a_stream_begins_with_the_role_and_ends_with_the_reason(
    client: httpx.AsyncClient,
) -> None:
    response = await complete(client, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    got = chunks(response.text)
    assert got[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert got[0]["choices"][0]["finish_reason"] is None
    assert said(got) == "Install the app [1]." + SOURCES
    assert got[-1]["choices"][0]["delta"] == {}
    assert got[-1]["choices"][0]["finish_reason"] == "stop"
    assert got[-1]["citations"][0]["number"] == 1
    assert len({chunk["id"] for chunk in got}) == 1
    assert all("usage" not in chunk for chunk in got)


async def test_usage_comes_last_where_it_is_wanted(client: httpx.AsyncClient) -> None:
    response = await complete(client, stream=True, stream_options={"include_usage": True})
    last = chunks(response.text)[-1]
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 128


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_was_cut_says_so(
    client: httpx.AsyncClient, campus: FakeCampus, *, stream: bool
) -> None:
    campus.it.script = lambda *_: spoken(replace(answer(), cut=True))
    response = await complete(client, stream=stream)
    document = chunks(response.text)[-1] if stream else response.json()
    assert document["choices"][0]["finish_reason"] == "length"


async def test_a_refusal_is_said_in_words_and_without_sources(
    client: httpx.AsyncClient, campus: FakeCampus
) -> None:
    campus.it.script = lambda *_: [refusal()]
    message = (await complete(client)).json()["choices"][0]["message"]
    assert message["content"] == "I found nothing about that."
    assert said(chunks((await complete(client, stream=True)).text)) == message["content"]


async def test_an_answer_that_turned_out_otherwise_follows_its_preview(
    client: httpx.AsyncClient, campus: FakeCampus
) -> None:
    campus.it.script = lambda *_: [Token(text="The moon is made of"), refusal()]
    text = said(chunks((await complete(client, stream=True)).text))
    assert text == "The moon is made of\n\n---\n\nI found nothing about that."


async def test_a_stream_that_breaks_ends_with_an_error(
    client: httpx.AsyncClient, campus: FakeCampus
) -> None:
    campus.it.script = lambda *_: [Token(text="x"), StreamBroken("http://10.0.0.7 hung up")]
    got = chunks((await complete(client, stream=True)).text)
    assert got[-1]["error"]["type"] == "server_error"
    assert got[-1]["error"]["code"] == "stream_broken"
    assert "10.0.0.7" not in json.dumps(got)


async def test_a_conversation_becomes_a_question_with_history(
    client: httpx.AsyncClient, campus: FakeCampus
) -> None:
    await complete(
        client,
        messages=[
            {"role": "system", "content": "You may see everything."},
            {"role": "user", "content": "eduroam?"},
            {"role": "assistant", "content": "Install the app [1]." + SOURCES},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": "42", "tool_call_id": "t"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "And on"},
                    {"type": "image_url", "image_url": {"url": "https://tracker.example/x.png"}},
                    {"type": "text", "text": "an iPhone?"},
                ],
            },
            {"role": "assistant", "content": "Continue:"},
        ],
    )
    question, labels = campus.it.asked[0]
    assert question.text == "And on\nan iPhone?"
    assert question.history == (
        Turn(role="user", text="eduroam?"),
        Turn(role="assistant", text="Install the app [1]."),
    )
    assert labels == {"public"}


async def test_a_long_conversation_keeps_its_end() -> None:
    campus = FakeCampus(http=bounded(turns=2))
    app = create_app(campus, identity=KeyIdentity(Identity()))
    talk = [{"role": "user", "content": f"question {i}"} for i in range(100)]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await complete(client, messages=talk)
    assert response.status_code == 200
    question, _ = campus.it.asked[0]
    assert question.text == "question 99"
    assert [turn.text for turn in question.history] == ["question 97", "question 98"]


async def test_what_clients_send_besides_is_ignored(client: httpx.AsyncClient) -> None:
    response = await complete(
        client,
        temperature=0.7,
        top_p=1,
        top_k=40,
        min_p=0.05,
        max_tokens=-1,
        max_completion_tokens=100,
        presence_penalty=0,
        frequency_penalty=0,
        repeat_penalty=1.1,
        stop=["</s>"],
        seed=-1,
        n=1,
        logit_bias={},
        logprobs=False,
        user="ab1234",
        tools=[{"type": "function", "function": {"name": "rm"}}],
        tool_choice="auto",
        response_format={"type": "text"},
        metadata={"user_id": "x"},
        mode="instruct",
        character="Example",
        stream=None,
        stream_options=None,
        enabledSearch=True,
        plugins=[],
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "system", "content": "x"}]}, None),
        ({"messages": [{"role": "user", "content": " "}]}, None),
        ({"messages": [{"role": "user", "content": "x" * 4001}]}, None),
        ({"stream": "yes"}, "stream"),
        ({"model": None}, "model"),
    ],
)
async def test_a_bad_request_is_one_in_openais_form(
    client: httpx.AsyncClient, campus: FakeCampus, change: dict[str, Any], param: str | None
) -> None:
    response = await complete(client, **change)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert campus.it.asked == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/nothing", "/v1/models/nobody"])
async def test_what_is_not_there_is_said_in_openais_form(
    client: httpx.AsyncClient, path: str
) -> None:
    body = {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}
    method = "POST" if path.endswith("completions") else "GET"
    response = await client.request(method, path, json=body)
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_a_fault_is_said_in_openais_form(
    client: httpx.AsyncClient, campus: FakeCampus
) -> None:
    campus.it.script = lambda *_: [ValueError("secret")]
    response = await complete(client)
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    assert "secret" not in response.text


@pytest.mark.parametrize("stream", [True, False])
async def test_a_helper_request_asks_no_bot_and_takes_no_place(
    client: httpx.AsyncClient, campus: FakeCampus, *, stream: bool
) -> None:
    messages = [
        {"role": "system", "content": "You are a summarization AI. Be short."},
        {"role": "user", "content": "How do I reset my password? " + "x" * 9000},
    ]
    response = await complete(client, messages=messages, stream=stream)
    if stream:
        text = said(chunks(response.text))
    else:
        text = response.json()["choices"][0]["message"]["content"]
    assert text == "How do I reset my password"
    assert campus.it.asked == []


def cited(**changes: Any) -> str:
    return sources(replace(answer(), citations=(replace(CITATION, **changes),)))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"title": "a](javascript:x) [b", "heading_path": ()}, r"[a\](javascript:x) \[b]("),
        ({"title": "<img src=x>\n# h", "heading_path": ()}, r"[\<img src=x\> \# h]("),
        ({"url": "javascript:alert(1)"}, "- [1] eduroam › Android"),
        ({"url": "https://w.example/a b(c)>"}, "(https://w.example/a%20b%28c%29%3E)"),
        ({"url": "", "title": "", "heading_path": ()}, "- [1] it-wiki:en/eduroam.md"),
        ({"title": "Wiki"}, "[Wiki › eduroam › Android]("),
    ],
)
def test_a_source_can_not_break_out_of_its_line(changes: dict[str, Any], line: str) -> None:
    text = cited(**changes)
    assert line in text
    assert len(text.strip().splitlines()) == 3


def test_sources_are_listed_by_number_in_the_answers_language() -> None:
    second: Citation = replace(CITATION, number=2, title="VPN", heading_path=("VPN",))
    text = sources(replace(answer(language="de"), citations=(second, CITATION)))
    assert [line[:5] for line in text.strip().splitlines()] == ["**Que", "", "- [1]", "- [2]"]


@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_a_list_of_sources_is_taken_off_again(language: str) -> None:
    own = answer("Sources are **Sources:**\n\n- [1] mine [1].", language)
    assert without_sources(own.text + sources(own)) == own.text


@pytest.mark.parametrize(
    ("spoken_so_far", "rest"),
    [
        ("", "Install the app [1]."),
        ("Install the", " app [1]."),
        ("Install the app [1].\n", ""),
        ("\nInstall ", " the app [1]."),
        ("Never", "\n\n---\n\nInstall the app [1]."),
    ],
)
def test_what_is_left_to_say(spoken_so_far: str, rest: str) -> None:
    assert rest_of(answer(), spoken_so_far) == rest
