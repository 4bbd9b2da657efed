"""Liveness and readiness."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from rag.app.http.app import create_app
from rag.app.http.health import Readiness
from rag.app.http.identity import KeyIdentity
from rag.core.definitions.campus import Identity
from rag.core.errors import BadInput, Damaged, RetryLater, Unavailable
from tests.fakes_http import FakeCampus

HOST = "qdrant-7.internal"


async def well() -> None:
    return


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def ping() -> None:
        raise error

    return ping


async def get(campus: FakeCampus, path: str) -> httpx.Response:
    app = create_app(campus, identity=KeyIdentity(Identity()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


async def test_the_process_is_alive_whatever_its_parts_say() -> None:
    response = await get(FakeCampus(parts={"index it": failing(RetryLater(HOST))}), "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_when_every_part_is() -> None:
    response = await get(FakeCampus(parts={"index it": well, "embedder": well}), "/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "parts": {"index it": "ok", "embedder": "ok"}}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RetryLater(f"{HOST} is down"), "unavailable"),
        (Damaged(f"/srv/{HOST} is broken"), "damaged"),
        (Unavailable(f"{HOST} is not installed"), "damaged"),
        (OSError(f"{HOST} refused"), "failed"),
    ],
)
async def test_not_ready_when_one_part_is_not_and_its_words_stay_inside(
    error: Exception, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = await get(FakeCampus(parts={"index": failing(error), "embedder": well}), "/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "parts": {"index": status, "embedder": "ok"},
    }
    assert HOST not in response.text
    assert HOST in caplog.text


async def test_parts_that_can_not_be_built_are_not_ready(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    campus = FakeCampus()

    def broken() -> None:
        raise BadInput("TGI_KEY is not set")

    monkeypatch.setattr(campus, "pings", broken)
    response = await get(campus, "/readyz")
    assert response.status_code == 503
    assert response.json()["parts"] == {"configuration": "failed"}
    assert "TGI_KEY" not in response.text
    assert "TGI_KEY" in caplog.text


async def test_parts_are_asked_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def ping() -> None:
        await both.wait()

    readiness = Readiness(FakeCampus(parts={"a": ping, "b": ping}), limit=5)
    assert (await readiness.look()).status == "ok"


async def test_a_part_that_hangs_is_slow_and_is_not_asked_twice() -> None:
    asked = 0
    release = asyncio.Event()

    async def ping() -> None:
        nonlocal asked
        asked += 1
        await release.wait()

    readiness = Readiness(FakeCampus(parts={"a": ping, "b": well}), limit=0.01, fresh=0)
    for _ in range(3):
        assert (await readiness.look()).parts == {"a": "slow", "b": "ok"}
    assert asked == 1
    release.set()
    await asyncio.sleep(0)
    assert (await readiness.look()).parts == {"a": "ok", "b": "ok"}
    assert (await readiness.look()).status == "ok"
    assert asked == 2


async def test_what_is_known_is_fresh_for_a_moment() -> None:
    asked = 0

    async def ping() -> None:
        nonlocal asked
        asked += 1

    readiness = Readiness(FakeCampus(parts={"a": ping}), fresh=60)
    await asyncio.gather(*(readiness.look() for _ in range(10)))
    assert asked == 1


async def test_the_models_are_loaded_before_the_first_request() -> None:
    campus = FakeCampus()
    app = create_app(campus, identity=KeyIdentity(Identity()))
    async with app.router.lifespan_context(app):
        assert campus.warmed == 1
