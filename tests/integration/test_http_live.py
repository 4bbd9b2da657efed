"""The endpoint on a real server: going away, coming in pieces, shutting down."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity
from rag.core.answers import Token
from rag.core.definitions.campus import HttpSettings, Identity
from tests.fakes_http import FakeCampus, answer, bounded
from tests.live_server import serving

CHAT = "/bots/it-support/chat"
COMPLETIONS = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "eduroam?"}]


@pytest.fixture
def campus() -> FakeCampus:
    return FakeCampus(http=bounded(concurrent=1, body_bytes=2048))


@pytest.fixture
def base(campus: FakeCampus) -> Iterator[str]:
    with serving(create_app(campus, identity=KeyIdentity(Identity()))) as url:
        yield url


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def body_of(path: str, *, stream: bool) -> dict[str, object]:
    if path == CHAT:
        return {"question": "eduroam?", "stream": stream}
    return {"model": "it-support", "messages": MESSAGES, "stream": stream}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_client_that_goes_away_ends_the_generation(
    base: str, campus: FakeCampus, path: str
) -> None:
    campus.it.script = lambda *_: [Token(text="Install"), 60.0, answer()]
    body = body_of(path, stream=True)
    with httpx.Client(base_url=base) as client, client.stream("POST", path, json=body) as got:
        parts = got.iter_text()
        assert "Install" in next(part for part in parts if "Install" in part)
        assert campus.it.opened == 1
    assert campus.it.ended.wait(5)
    assert campus.it.opened == 0
    campus.it.script = lambda *_: [answer()]

    def answered() -> bool:
        response = httpx.post(base + path, json=body_of(path, stream=False))
        return response.status_code == 200

    assert eventually(answered), "The only place is not free again."


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_client_that_goes_away_before_the_first_word_ends_the_generation(
    base: str, campus: FakeCampus, path: str, *, stream: bool
) -> None:
    campus.it.script = lambda *_: [60.0, answer()]
    payload = json.dumps(body_of(path, stream=stream)).encode()
    host = urlsplit(base)
    with socket.create_connection((host.hostname or "", host.port or 0)) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        assert eventually(lambda: campus.it.opened == 1)
    assert campus.it.ended.wait(5)
    assert campus.it.opened == 0


def test_tokens_arrive_when_they_are_spoken(base: str, campus: FakeCampus) -> None:
    campus.it.script = lambda *_: [Token(text="one"), 0.5, Token(text="two"), answer()]
    times: dict[str, float] = {}
    body = body_of(CHAT, stream=True)
    with httpx.Client(base_url=base) as client, client.stream("POST", CHAT, json=body) as got:
        for line in got.iter_lines():
            for word in ("one", "two"):
                if word in line:
                    times[word] = time.monotonic()
    assert times["two"] - times["one"] > 0.4


def test_a_body_without_a_length_is_bounded(base: str, campus: FakeCampus) -> None:
    host = urlsplit(base)
    with socket.create_connection((host.hostname or "", host.port or 0)) as connection:
        connection.settimeout(5)
        head = "Host: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{head}".encode())
        for _ in range(3):
            connection.sendall(b"400\r\n" + b" " * 0x400 + b"\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
    assert campus.it.asked == []


def test_the_server_stops_though_an_answer_is_under_way() -> None:
    campus = FakeCampus(http=HttpSettings())
    campus.it.script = lambda *_: [Token(text="Install"), 60.0]
    with httpx.Client() as client, ExitStack() as server:
        base = server.enter_context(serving(create_app(campus, identity=KeyIdentity(Identity()))))
        with client.stream("POST", base + CHAT, json=body_of(CHAT, stream=True)) as got:
            parts = got.iter_text()
            next(parts)
            assert campus.it.opened == 1
            started = time.monotonic()
            server.close()
            assert campus.it.ended.wait(5)
    assert time.monotonic() - started < 8
    assert campus.warmed == 1


def test_a_quiet_answer_keeps_its_connection_alive(
    base: str, campus: FakeCampus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.app.http.streaming.Events.__init__.__kwdefaults__", {"heartbeat": 0.1})
    campus.it.script = lambda *_: [0.5, answer()]
    response = httpx.post(base + CHAT, json=body_of(CHAT, stream=True))
    assert response.text.startswith(": \n\n: \n\n")
    assert "event: answer" in response.text
