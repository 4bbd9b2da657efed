"""The TGI generator before the double: every family, every limit, every fault."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from bots.patience import Deadline
from bots.tgi_client import TgiClient
from rag.core.answers import Finish, Prompt, Token
from rag.core.errors import BadQuestion, Busy, ConfigError, RetryLater, StreamBroken
from tests.bot_parts import passage, prompt, said
from tests.contracts.generator_stages import tgi
from tests.tgi_description import DESCRIPTION
from tests.tgi_server import FAMILIES, OVERLOADED, Break, Refuse, Speak, TgiServer

FAULTS = (
    *("cut", "stall", "comments", "event", "old event", "overloaded"),
    *("garbage", "alien", "huge", "silent"),
)
SHORT = {"connect": 1, "idle": 1, "total": 5}


@pytest.fixture
def server() -> Iterator[TgiServer]:
    with TgiServer() as started:
        yield started


async def answered(
    server: TgiServer, given: Prompt | None = None, **changes: Any
) -> tuple[str, Finish]:
    items = [item async for item in tgi(server.url, **changes).stream(given or prompt())]
    last = items[-1]
    assert isinstance(last, Finish)
    return said(items), last


def many(count: int, words: int = 60) -> Prompt:
    return prompt(*(passage(f"Passage{n} " * words, key=f"{n}.md") for n in range(count)))


@pytest.mark.parametrize("family", FAMILIES)
async def test_every_family_is_heard_word_for_word(family: str) -> None:
    recorded = FAMILIES[family]
    with TgiServer(family=family) as server:
        server.plan(Speak(text=recorded["recorded"], reason=recorded["recorded_reason"]))
        text, finish = await answered(server)
    assert text == "".join(recorded["recorded"])
    assert finish.cut is (recorded["recorded_reason"] == "length")


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_leaked_end_of_turn_is_taken_out(family: str) -> None:
    with TgiServer(family=family) as server:
        server.plan(Speak(leak=FAMILIES[family]["end"]))
        text, _ = await answered(server)
    assert text == "Open the app [1]."


@pytest.mark.parametrize("family", ["mixtral", "gemma"])
async def test_a_template_without_system_role_is_found_out_once(family: str) -> None:
    with TgiServer(family=family, max_input_tokens=600) as server:
        generator = tgi(server.url)
        for _ in range(2):
            assert [item async for item in generator.stream(many(8))]
        first, *others = [
            [message["role"] for message in each.body["messages"]]
            for each in server.asked
            if each.body
        ]
    assert "system" in first
    assert not any("system" in roles for roles in others)
    assert "NO_ANSWER" in server.chats()[-1]["messages"][0]["content"]


async def test_the_request_says_what_the_definition_says(server: TgiServer) -> None:
    sampling = {
        "max_tokens": 77,
        "temperature": 0.25,
        "top_p": 0.5,
        "frequency_penalty": -0.5,
        "seed": 42,
        "stop": ["\n\n\n", "Frage:"],
    }
    await answered(server, sampling=sampling)
    body = server.chats()[0]
    assert {key: body[key] for key in sampling} == sampling
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


async def test_what_is_not_set_is_left_to_the_server(server: TgiServer) -> None:
    await answered(server)
    assert set(server.chats()[0]) == {
        *("model", "messages", "stream", "stream_options", "max_tokens"),
    }


async def test_the_key_goes_with_every_request(server: TgiServer) -> None:
    await answered(server)
    assert {each.headers.get("Authorization") for each in server.asked} == {"Bearer k-1"}


async def test_tokens_are_counted_by_the_server(server: TgiServer) -> None:
    _, finish = await answered(server)
    assert finish.output_tokens == 7
    assert finish.input_tokens == len(server.tokens(server.chats()[0]["messages"]))
    server.plan(Speak(usage=False))
    _, uncounted = await answered(server)
    assert (uncounted.input_tokens, uncounted.output_tokens) == (None, None)


async def test_limits_are_read_once(server: TgiServer) -> None:
    generator = tgi(server.url)
    for _ in range(3):
        assert [item async for item in generator.stream(prompt())]
    assert server.asked_for("/info") == 1
    assert server.asked_for("/chat_tokenize") == 0


async def test_the_prompt_is_cut_to_what_the_model_reads() -> None:
    with TgiServer(max_input_tokens=700) as server:
        _, finish = await answered(server, many(8))
        counted = len(server.tokens(server.chats()[0]["messages"]))
    assert 0 < len(finish.given) < 8
    assert finish.given == set(range(1, 1 + len(finish.given)))
    assert 500 < counted <= 700


async def test_the_answer_leaves_half_of_a_small_model_to_the_prompt() -> None:
    with TgiServer(max_input_tokens=1000, max_total_tokens=1024) as server:
        _, finish = await answered(server, many(8, words=20), sampling={"max_tokens": 2000})
        assert server.chats()[0]["max_tokens"] == 512
    assert finish.given


async def test_without_a_tokenizer_the_prompt_is_estimated() -> None:
    with TgiServer(max_input_tokens=900, tokenizer=False) as server:
        generator = tgi(server.url)
        for _ in range(2):
            items = [item async for item in generator.stream(many(8))]
            assert isinstance(items[-1], Finish)
            assert len(items[-1].given) < 8
        assert server.asked_for("/chat_tokenize") == 1


async def test_a_question_too_long_by_itself_is_not_sent() -> None:
    with TgiServer(max_input_tokens=300) as server:
        with pytest.raises(BadQuestion, match="too long"):
            await answered(server, prompt(question="Warum? " * 500))
        assert not server.chats()


async def test_a_prompt_that_the_server_finds_too_long_is_not_sent_again() -> None:
    with TgiServer(max_input_tokens=100, info=False) as server:
        with pytest.raises(BadQuestion, match="tgi answers HTTP 200: Input validation error"):
            await answered(server)
        assert len(server.chats()) == 1


async def test_limits_are_read_again_after_the_server_found_a_prompt_too_long(
    server: TgiServer,
) -> None:
    generator = tgi(server.url)
    assert [item async for item in generator.stream(many(4))]
    server.limits["max_input_tokens"] = 700
    with pytest.raises(BadQuestion):
        assert [item async for item in generator.stream(many(8))]
    assert [item async for item in generator.stream(many(8))]
    assert server.asked_for("/info") == 2


@pytest.mark.parametrize(
    "full",
    [
        Refuse(status=429, body=OVERLOADED, headers={"Retry-After": "0"}),
        Refuse(status=429, body="<html>slow down</html>"),
        Refuse(status=503, body="<html>no upstream</html>"),
        Break(how="overloaded", text=""),
    ],
)
async def test_an_overloaded_server_is_asked_again(server: TgiServer, full: Refuse | Break) -> None:
    server.plan(full)
    text, _ = await answered(server)
    assert text == "Open the app [1]."
    assert len(server.chats()) == 2


async def test_a_server_that_stays_overloaded_is_busy(server: TgiServer) -> None:
    server.usual = Refuse(status=429, body=OVERLOADED, headers={"Retry-After": "0"})
    with pytest.raises(Busy, match="tgi answers HTTP 429: Model is overloaded"):
        await answered(server)
    assert len(server.chats()) == 2


async def test_advice_to_wait_too_long_is_handed_on(server: TgiServer) -> None:
    server.usual = Refuse(status=429, body=OVERLOADED, headers={"Retry-After": "60"})
    with pytest.raises(Busy) as raised:
        await answered(server)
    assert raised.value.after == 60
    assert len(server.chats()) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        Refuse(status=422, body={"error": "Input validation error: x", "error_type": "validation"}),
        Refuse(status=424, body={"error": "CUDA error", "error_type": "generation"}),
        Refuse(status=500, body="oops"),
        Refuse(status=401, body={"error": "unauthorized"}),
        Refuse(status=404, body="Not Found"),
        Refuse(status=307, headers={"Location": "/elsewhere"}),
        Refuse(status=400, body=["odd"]),
    ],
)
async def test_a_refusal_is_not_asked_again(server: TgiServer, refusal: Refuse) -> None:
    server.usual = refusal
    with pytest.raises(RetryLater) as raised:
        await answered(server)
    assert not isinstance(raised.value, Busy | StreamBroken)
    assert len(server.chats()) == 1
    assert raised.value.mend
    assert "k-1" not in str(raised.value)


async def test_a_template_that_takes_no_roles_at_all_is_named(server: TgiServer) -> None:
    body = {"error": "Template error: template not found", "error_type": "template_error"}
    server.usual = Refuse(status=422, body=body)
    with pytest.raises(RetryLater, match="template not found"):
        await answered(server)
    assert len(server.chats()) == 2


@pytest.mark.parametrize("how", FAULTS)
async def test_a_stream_that_goes_wrong_in_the_middle_is_broken(
    server: TgiServer, how: Any
) -> None:
    server.plan(Break(how=how))
    heard: list[Token | Finish] = []
    with pytest.raises(StreamBroken, match="tgi broke off"):  # noqa: PT012 -- what came before
        async for item in tgi(server.url, timeouts=SHORT).stream(prompt()):
            heard.append(item)  # noqa: PERF401
    assert said(heard) == "Open the"
    assert len(server.chats()) == 1


@pytest.mark.parametrize("how", FAULTS)
async def test_a_stream_that_goes_wrong_at_once_is_for_later(server: TgiServer, how: Any) -> None:
    server.usual = Break(how=how, text="")
    with pytest.raises(RetryLater) as raised:
        await answered(server, timeouts=SHORT)
    assert not isinstance(raised.value, StreamBroken)


async def test_a_slow_first_token_is_waited_for(server: TgiServer) -> None:
    server.plan(Speak(before=0.5))
    assert (await answered(server))[0] == "Open the app [1]."


async def test_all_in_all_it_does_not_take_longer_than_it_may(server: TgiServer) -> None:
    server.plan(Speak(text=["x"] * 100, between=0.1))
    with pytest.raises(StreamBroken):
        await answered(server, timeouts={"connect": 1, "idle": 2, "total": 1.5})


async def test_a_missing_done_is_no_break(server: TgiServer) -> None:
    server.plan(Speak(done=False))
    assert (await answered(server))[0] == "Open the app [1]."


async def test_the_token_limit_is_told(server: TgiServer) -> None:
    text, finish = await answered(server, sampling={"max_tokens": 2})
    assert (text, finish.cut) == ("Open the", True)


async def test_a_server_that_is_not_there_is_for_later() -> None:
    with pytest.raises(RetryLater, match="tgi can't be reached"):
        assert [item async for item in tgi("http://127.0.0.1:9").stream(prompt())]
    with pytest.raises(RetryLater, match="tgi can't be reached"):
        await tgi("http://127.0.0.1:9").ping()


async def test_ping_asks_for_the_models_health(server: TgiServer) -> None:
    await tgi(server.url).ping()
    server.healthy = False
    with pytest.raises(RetryLater, match="unhealthy"):
        await tgi(server.url).ping()
    assert server.asked_for("/health") == 2


async def test_another_server_is_no_tgi(server: TgiServer) -> None:
    server.limits = {"max_input_tokens": "many"}  # type: ignore[dict-item]
    with pytest.raises(RetryLater, match="does not answer /info as TGI does"):
        await answered(server)
    assert len(server.violations) == 2
    server.violations.clear()


async def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    generator = tgi("https://127.0.0.1:9", ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        await generator.ping()


async def test_no_key_no_header(server: TgiServer) -> None:
    generator = tgi(server.url)
    bare = type(generator)(name="tgi", definition=generator._definition)
    await bare.ping()
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.outside_data
async def test_every_recorded_chat_stream_is_understood(outside_data: Path) -> None:
    files = sorted((outside_data.parent / "tgi" / "snapshots").rglob("*.json"))
    assert len(files) >= 200
    heard = 0
    async with ClientSession() as session:
        client = TgiClient(url="http://x", name="x", session=session, idle=1, deadline=Deadline(1))
        for file in files:
            for chunk in _chunks(json.loads(file.read_text(encoding="utf-8"))):
                client._said(chunk)
                heard += 1
    assert heard > 100


def _chunks(node: Any) -> Iterator[Any]:
    if isinstance(node, list):
        for each in node:
            yield from _chunks(each)
    elif isinstance(node, dict) and node.get("object") == "chat.completion.chunk":
        yield node


@pytest.mark.outside_data
def test_the_fixture_is_a_part_of_the_whole_description(outside_data: Path) -> None:
    whole = json.loads((outside_data.parent / "tgi" / "openapi.json").read_text(encoding="utf-8"))
    schemas = whole["components"]["schemas"]
    for name, part in DESCRIPTION["components"]["schemas"].items():
        assert name in schemas
        if not part.get("x-left-out"):
            assert part.get("required") == schemas[name].get("required"), name
            assert set(part.get("properties", {})) == set(schemas[name].get("properties", {})), name
