"""What a request may hold, and how much at once."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.types import Receive

from rag.app.http.app import create_app
from rag.app.http.bounds import BodyLimit, Slots, check_question, newest
from rag.app.http.errors import Full
from rag.app.http.identity import KeyIdentity
from rag.core.answers import Question, Token, Turn
from rag.core.definitions.campus import Bounds, Identity
from rag.core.errors import BadQuestion
from tests.fakes_http import FakeCampus, answer, bounded


def client_of(campus: FakeCampus) -> httpx.AsyncClient:
    app = create_app(campus, identity=KeyIdentity(Identity()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def body_of(size: int) -> bytes:
    start, end = b'{"question": "x", "conversation": "c", "pad": "', b'"}'
    return start + b"a" * (size - len(start) - len(end)) + end


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for i in range(0, len(body), 100):
        yield body[i : i + 100]


@pytest.mark.parametrize("path", ["/bots/it-support/chat", "/v1/chat/completions"])
@pytest.mark.parametrize("send", [bytes, in_pieces], ids=["announced", "chunked"])
async def test_a_body_may_be_so_large_and_no_larger(
    path: str, send: Callable[[bytes], bytes | AsyncIterator[bytes]]
) -> None:
    campus = FakeCampus(http=bounded(body_bytes=2048))
    async with client_of(campus) as client:
        headers = {"Content-Type": "application/json"}
        fits = await client.post(path, content=send(body_of(2048)), headers=headers)
        large = await client.post(path, content=send(body_of(2049)), headers=headers)
    assert fits.status_code in {400, 422}
    assert large.status_code == 413
    assert "2,048" in large.json()["error"]["message"]
    assert campus.it.asked == []


@pytest.mark.parametrize("announced", ["nonsense", "-1", "²", "9" * 5000])
async def test_a_nonsensical_length_does_not_switch_the_limit_off(announced: str) -> None:
    async with client_of(FakeCampus(http=bounded(body_bytes=2048))) as client:
        response = await client.post(
            "/bots/it-support/chat",
            content=in_pieces(body_of(4096)),
            headers={b"Content-Type": b"application/json", b"Content-Length": announced.encode()},
        )
    assert response.status_code == 413


async def test_a_body_that_never_ends_is_given_up() -> None:
    async def silent() -> dict[str, object]:
        await asyncio.sleep(60)
        raise AssertionError

    async def reading(scope: object, receive: Receive, send: object) -> None:
        await receive()

    limited = BodyLimit(reading, limit=10, seconds=0.01)
    with pytest.raises(Exception, match="too long to arrive") as caught:
        await limited({"type": "http", "headers": []}, silent, silent)  # type: ignore[arg-type]
    assert getattr(caught.value, "status_code", None) == 408


@pytest.mark.parametrize("stream", [True, False])
async def test_no_more_answers_at_once_than_there_are_places(*, stream: bool) -> None:
    campus = FakeCampus(http=bounded(concurrent=2))
    campus.it.script = lambda *_: [0.1, answer()]
    async with client_of(campus) as client:
        body = {"question": "x", "stream": stream}
        responses = await asyncio.gather(
            *(client.post("/bots/it-support/chat", json=body) for _ in range(3))
        )
        codes = sorted(response.status_code for response in responses)
        assert codes == [200, 200, 503]
        full = next(response for response in responses if response.status_code == 503)
        assert full.json()["error"]["type"] == "busy"
        assert full.headers["retry-after"] == "5"
        again = await client.post("/bots/it-support/chat", json=body)
    assert again.status_code == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failed_answer_gives_its_place_back(*, stream: bool) -> None:
    campus = FakeCampus(http=bounded(concurrent=1))
    campus.it.script = lambda *_: [Token(text="x"), ValueError("bug")]
    async with client_of(campus) as client:
        body = {"question": "x", "stream": stream}
        for _ in range(3):
            response = await client.post("/bots/it-support/chat", json=body)
            assert response.status_code == (200 if stream else 500)


def test_places_are_counted() -> None:
    slots = Slots(1)
    with slots.take():
        assert slots.taken == 1
        with pytest.raises(Full), slots.take():
            raise AssertionError
    assert slots.taken == 0


BOUNDS = Bounds(question_chars=16, turns=2, history_chars=10)


def turn(text: str) -> Turn:
    return Turn(role="user", text=text)


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (Question(text=" \n"), "empty"),
        (Question(text="x" * 17), "17 characters"),
        (Question(text="x", history=(turn("a"),) * 3), "3 turns"),
        (Question(text="x", history=(turn("a" * 6), turn("b" * 5))), "11 characters"),
    ],
)
def test_a_question_beyond_its_bounds_is_refused(question: Question, problem: str) -> None:
    with pytest.raises(BadQuestion, match=problem):
        check_question(question, BOUNDS)


def test_a_question_on_its_bounds_is_taken() -> None:
    check_question(Question(text="x" * 16, history=(turn("a" * 5), turn("b" * 5))), BOUNDS)


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "b", "c"], ["b", "c"]),
        (["a" * 6, "b" * 5], ["b" * 5]),
        (["a", "b" * 11], []),
    ],
)
def test_the_end_of_a_history_is_what_is_kept(history: list[str], kept: list[str]) -> None:
    assert [each.text for each in newest(tuple(turn(text) for text in history), BOUNDS)] == kept
