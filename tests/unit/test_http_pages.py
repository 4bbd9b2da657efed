"""The page, the headers around everything, and answers to what is not there."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from rag.app.http.app import create_app
from rag.app.http.identity import KeyIdentity
from rag.app.http.pages import STATIC
from rag.core.definitions.campus import HttpSettings, Identity
from tests.fakes_http import FakeCampus

FILES = sorted(file.name for file in STATIC.iterdir())


def client_of(campus: FakeCampus) -> httpx.AsyncClient:
    app = create_app(campus, identity=KeyIdentity(Identity()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(FakeCampus()) as made:
        yield made


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_page_may_load_only_what_is_ours(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    for directive in ("script-src", "style-src", "img-src", "connect-src"):
        assert policy[directive] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_the_page_names_another_host_or_runs_text(name: str) -> None:
    text = (STATIC / name).read_text("utf-8")
    hosts = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text))
    assert hosts <= {"http://www.w3.org"}
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert unsafe not in text
    assert not re.search(
        r"\son\w+=|style=\"|<style|<script(?! type=\"module\" src=\"static/)", text
    )


async def test_every_file_that_the_page_names_is_served(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    named = set(re.findall(r"(?:src|href)=\"([^\"#]+)\"", page))
    assert named == {"static/app.js", "static/app.css", "static/mark.svg"}
    scripts = "\n".join((STATIC / name).read_text("utf-8") for name in FILES if name.endswith("js"))
    named |= {f"static/{name}" for name in re.findall(r"from \"\./([^\"]+)\"", scripts)}
    assert named == {f"static/{name}" for name in FILES if name != "index.html"}
    for path in named:
        assert (await client.get(f"/{path}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"]
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/", "/bots", "/static/app.js", "/nothing", "/healthz"])
async def test_every_answer_carries_the_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_documentation_that_loads_from_elsewhere_is_not_there(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert (await client.get(path)).status_code == 404


async def test_an_unknown_path_and_a_wrong_method_are_json(client: httpx.AsyncClient) -> None:
    missing = await client.get("/nothing")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found")
    wrong = await client.get("/bots/it-support/chat")
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    return await client.options(
        "/bots/it-support/chat",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )


async def test_only_named_sites_may_ask_from_a_browser() -> None:
    campus = FakeCampus(http=HttpSettings(allowed_origins=("https://www.sonnhagen.example",)))
    async with client_of(campus) as client:
        named = await preflight(client, "https://www.sonnhagen.example")
        other = await preflight(client, "https://evil.example")
        answered = await client.get("/bots", headers={"Origin": "https://evil.example"})
    assert named.headers["access-control-allow-origin"] == "https://www.sonnhagen.example"
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in answered.headers


async def test_no_site_is_named_by_default(client: httpx.AsyncClient) -> None:
    response = await preflight(client, "https://www.sonnhagen.example")
    assert "access-control-allow-origin" not in response.headers


async def test_a_fault_outside_of_every_route_is_a_number(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    campus = FakeCampus()

    def broken() -> tuple[str, ...]:
        raise KeyError("/srv/secret")

    monkeypatch.setattr(campus, "bot_names", broken)
    async with client_of(campus) as client:
        response = await client.get("/bots")
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["type"] == "internal"
    assert "secret" not in response.text
    assert re.search(r"Incident [0-9a-f]{8}\.", error["message"])
    assert "/srv/secret" in caplog.text
