"""The OpenAI-compatible generator before the double's other side, and as other services answer."""

from collections.abc import Iterator
from typing import Any

import pytest

from rag.core.answers import Finish, Prompt, Token
from rag.core.errors import BadQuestion, Busy, RetryLater, StreamBroken
from tests.bot_parts import passage, prompt, said
from tests.contracts.generator_stages import openai_compatible
from tests.tgi_server import FAMILIES, Break, Refuse, Speak, TgiServer

FAULTS = ("cut", "stall", "comments", "event", "overloaded", "garbage", "alien", "huge", "silent")
SHORT = {"connect": 1, "idle": 1, "total": 5}


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The vendor's client imports half of itself at its first request; that is not its idleness."""
    import openai.resources.chat.completions  # noqa: F401, PLC0415


@pytest.fixture
def server() -> Iterator[TgiServer]:
    with TgiServer() as started:
        yield started


async def answered(
    server: TgiServer, given: Prompt | None = None, **changes: Any
) -> tuple[str, Finish]:
    generator = openai_compatible(server.url, **changes)
    items = [item async for item in generator.stream(given or prompt())]
    last = items[-1]
    assert isinstance(last, Finish)
    return said(items), last


def many(count: int) -> Prompt:
    return prompt(*(passage(f"Passage{n} " * 60, key=f"{n}.md") for n in range(count)))


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_family_is_heard_word_for_word(family: str) -> None:
    recorded = FAMILIES[family]
    with TgiServer(family=family) as server:
        server.plan(
            Speak(
                text=recorded["recorded"],
                reason=recorded["recorded_reason"],
                leak=recorded["end"],
            )
        )
        text, finish = await answered(server)
    assert text == "".join(recorded["recorded"])
    assert finish.cut is (recorded["recorded_reason"] == "length")


async def test_the_request_says_what_the_definition_says(server: TgiServer) -> None:
    sampling = {
        "max_tokens": 77,
        "temperature": 0.25,
        "top_p": 0.5,
        "frequency_penalty": -0.5,
        "seed": 42,
        "stop": ["Frage:"],
    }
    await answered(server, sampling=sampling, model="llama-3.1")
    body = server.chats()[0]
    assert {key: body[key] for key in sampling} == sampling
    assert body["model"] == "llama-3.1"
    assert body["stream_options"] == {"include_usage": True}
    assert server.asked[0].headers["Authorization"] == "Bearer k-1"


async def test_what_is_not_set_is_left_to_the_service(server: TgiServer) -> None:
    await answered(server)
    assert set(server.chats()[0]) == {
        *("model", "messages", "stream", "stream_options", "max_tokens"),
    }


async def test_extensions_are_sent_where_they_are_named(server: TgiServer) -> None:
    await answered(server, sampling={"top_k": 5, "repetition_penalty": 1.5})
    body = server.chats()[0]
    assert (body["top_k"], body["repetition_penalty"]) == (5, 1.5)
    assert len(server.violations) == 1  # TGI itself does not take them
    server.violations.clear()


async def test_the_environment_of_another_service_is_not_read(
    server: TgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "belongs-elsewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    generator = openai_compatible(server.url)
    bare = type(generator)(name="x", definition=generator._definition)
    assert [item async for item in bare.stream(prompt())]
    sent = server.asked[0].headers
    assert "Authorization" not in sent
    assert not any("belongs-elsewhere" in value for value in sent.values())


async def test_tokens_are_counted_by_the_service(server: TgiServer) -> None:
    _, finish = await answered(server)
    assert finish.output_tokens == 7
    assert finish.input_tokens == len(server.tokens(server.chats()[0]["messages"]))


async def test_the_prompt_is_cut_to_the_context(server: TgiServer) -> None:
    _, finish = await answered(server, many(8), context_tokens=1800)
    assert 0 < len(finish.given) < 8
    with pytest.raises(BadQuestion):
        await answered(server, prompt(question="Warum? " * 900), context_tokens=1800)
    assert len(server.chats()) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "This model's maximum context length is 4096 tokens."}},
        {"object": "error", "message": "prompt is too long", "code": 400},
    ],
)
async def test_a_prompt_that_the_service_finds_too_long_is_a_bad_question(
    server: TgiServer, body: object
) -> None:
    server.usual = Refuse(status=400, body=body)
    with pytest.raises(BadQuestion):
        await answered(server)
    assert len(server.chats()) == 1


async def test_a_prompt_that_is_too_long_in_the_stream_is_a_bad_question() -> None:
    few = TgiServer(max_input_tokens=50)
    with few as server, pytest.raises(BadQuestion, match="must have less than 50 tokens"):
        await answered(server)


async def test_a_service_without_system_role_is_found_out_once() -> None:
    with TgiServer(family="gemma") as server:
        generator = openai_compatible(server.url)
        for _ in range(2):
            assert [item async for item in generator.stream(prompt())]
        roles = [[message["role"] for message in body["messages"]] for body in server.chats()]
    assert roles == [["system", "user"], ["user"], ["user"]]


async def test_a_service_that_counts_no_tokens_is_found_out_once(server: TgiServer) -> None:
    refusal = {"error": {"message": "Unrecognized request argument: stream_options"}}
    server.plan(Refuse(status=400, body=refusal))
    generator = openai_compatible(server.url)
    for _ in range(2):
        items = [item async for item in generator.stream(prompt())]
        assert isinstance(items[-1], Finish)
        assert items[-1].input_tokens is None
    assert ["stream_options" in body for body in server.chats()] == [True, False, False]


@pytest.mark.parametrize(
    "full",
    [
        Refuse(status=429, body={"error": {"message": "Rate limit"}}, headers={"Retry-After": "0"}),
        Refuse(status=503, body="<html>no upstream</html>"),
        Refuse(status=529, body={"error": {"message": "Overloaded"}}),
        Break(how="overloaded", text=""),
    ],
)
async def test_an_overloaded_service_is_asked_again(
    server: TgiServer, full: Refuse | Break
) -> None:
    server.plan(full)
    assert (await answered(server))[0] == "Open the app [1]."
    assert len(server.chats()) == 2


async def test_advice_to_wait_too_long_is_handed_on(server: TgiServer) -> None:
    server.usual = Refuse(status=429, body={}, headers={"Retry-After": "60"})
    with pytest.raises(Busy) as raised:
        await answered(server)
    assert raised.value.after == 60
    assert len(server.chats()) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"message": "Incorrect API key provided: k-1."}}),
        (403, {"error": {"message": "k-1 may not"}}),
        (404, {"error": {"message": "The model does not exist"}}),
        (422, {"error": {"message": "temperature"}}),
        (500, "oops"),
        (307, ""),
    ],
)
async def test_a_refusal_is_not_asked_again(server: TgiServer, status: int, body: object) -> None:
    server.usual = Refuse(status=status, body=body, headers={"Location": "/elsewhere"})
    with pytest.raises(RetryLater) as raised:
        await answered(server)
    assert not isinstance(raised.value, Busy | StreamBroken)
    assert "k-1" not in str(raised.value)
    assert len(server.chats()) == 1


@pytest.mark.parametrize("how", FAULTS)
async def test_a_stream_that_goes_wrong_in_the_middle_is_broken(
    server: TgiServer, how: Any
) -> None:
    server.plan(Break(how=how))
    heard: list[Token | Finish] = []
    generator = openai_compatible(server.url, timeouts=SHORT)
    with pytest.raises(StreamBroken):  # noqa: PT012 -- what came before the error counts
        async for item in generator.stream(prompt()):
            heard.append(item)  # noqa: PERF401
    assert said(heard) == "Open the"
    assert len(server.chats()) == 1


@pytest.mark.parametrize("how", FAULTS)
async def test_a_stream_that_goes_wrong_at_once_is_for_later(server: TgiServer, how: Any) -> None:
    server.usual = Break(how=how, text="")
    with pytest.raises(RetryLater) as raised:
        await answered(server, timeouts=SHORT)
    assert not isinstance(raised.value, StreamBroken)


async def test_a_missing_done_is_no_break(server: TgiServer) -> None:
    server.plan(Speak(done=False))
    assert (await answered(server))[0] == "Open the app [1]."


async def test_all_in_all_it_does_not_take_longer_than_it_may(server: TgiServer) -> None:
    server.plan(Speak(text=["x"] * 100, between=0.1))
    with pytest.raises(StreamBroken):
        await answered(server, timeouts={"connect": 1, "idle": 2, "total": 1.5})


async def test_a_service_that_is_not_there_is_for_later() -> None:
    absent = openai_compatible("http://127.0.0.1:9")
    with pytest.raises(RetryLater, match="openai can't be reached"):
        assert [item async for item in absent.stream(prompt())]
    with pytest.raises(RetryLater, match="openai can't be reached"):
        await absent.ping()


async def test_ping_lists_the_models(server: TgiServer) -> None:
    await openai_compatible(server.url).ping()
    assert [each.path for each in server.asked] == ["/v1/models"]
    server.healthy = False
    with pytest.raises(RetryLater):
        await openai_compatible(server.url).ping()
