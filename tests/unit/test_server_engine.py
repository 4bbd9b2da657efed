"""The server engine: killed anywhere, it ends the same; versions behind an alias; errors by name.

The vendor's in-process client stands in for the server.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from indexes.server import store as server_store
from indexes.server.points import asked
from rag.core.definitions.engines import ServerEngine
from rag.core.definitions.sources import Facet
from rag.core.errors import BadInput, NotFound, RetryLater
from tests.contracts.index_material import PUBLIC, expected, make, store_all
from tests.engines import server
from tests.fakes import ListSource
from tests.syncing import Bench

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]
_WRITES = {
    "upsert",
    "delete",
    "set_payload",
    "batch_update_points",
    "create_collection",
    "create_payload_index",
    "delete_collection",
    "update_collection_aliases",
}


class Failing:
    """A client that fails for good from the n-th write on; `late` after the write took effect."""

    def __init__(self, good: QdrantClient, writes: int, *, late: bool) -> None:
        self.good = good
        self.left = writes
        self.late = late

    def __getattr__(self, name: str) -> Any:
        return self._write(name) if name in _WRITES else getattr(self.good, name)

    def _write(self, name: str) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                return getattr(self.good, name)(*arguments, **named)
            if self.left == -1 and self.late:
                getattr(self.good, name)(*arguments, **named)
            raise ResponseHandlingException(ConnectionError("reset"))

        return write


def bench_of(folder: Path, client: Any, source: ListSource) -> Bench:
    return Bench(store=server(folder / "campus", client=client), folder=folder, source=source)


def begun(folder: Path) -> tuple[QdrantClient, ListSource]:
    """An index of four records, and a source in which all of them have changed."""
    client, source = QdrantClient(":memory:"), ListSource(has_keys=True)
    source.put(*(make(key, "one\n\ntwo") for key in ("grown", "shrunk", "gone", "closed")))
    bench_of(folder, client, source).sync()
    source.edit("grown", "one\n\ntwo\n\nthree\n\nfour")
    source.edit("shrunk", "only")
    source.relabel("closed", frozenset({"staff"}))
    source.remove("gone")
    source.put(make("new", "a\n\nb\n\nc"))
    return client, source


@pytest.mark.parametrize("late", [False, True])
def test_killed_after_any_write_it_ends_the_same(quick_path: Path, *, late: bool) -> None:
    failures = 0
    for writes in range(100):
        folder = quick_path / str(writes)
        folder.mkdir()
        client, source = begun(folder)
        failing: Any = Failing(client, writes, late=late)
        try:
            bench_of(folder, failing, source).sync()
            break
        except RetryLater:
            failures += 1
        # Nothing that was revoked is visible from the first write after the revocation on, and
        # what was half-written has an owner: it can go again.
        source.remove("new")
        source.edit("grown", "small again")
        bench = bench_of(folder, client, source)
        bench.sync()
        assert bench.passages(PUBLIC) == expected(
            *(each for each in source.records.values() if each.labels & PUBLIC)
        )
        assert count_all(client) == count_all(rebuilt(folder / "rebuilt", source))
    assert failures >= 8


def rebuilt(folder: Path, source: ListSource) -> QdrantClient:
    client = QdrantClient(":memory:")
    bench_of(folder, client, replace(source)).sync()
    return client


def count_all(client: QdrantClient) -> int:
    """Every point, notes and all."""
    [alias] = client.get_aliases().aliases
    return client.count(alias.collection_name).count


@pytest.mark.parametrize("late", [False, True])
def test_a_first_build_killed_after_any_write_begins_again(quick_path: Path, *, late: bool) -> None:
    failures = 0
    for writes in range(100):
        folder = quick_path / str(writes)
        folder.mkdir()
        client, source = QdrantClient(":memory:"), ListSource()
        source.put(make("a", "one\n\ntwo"), make("b"))
        failing: Any = Failing(client, writes, late=late)
        bench = bench_of(folder, client, source)
        try:
            bench_of(folder, failing, source).sync()
            break
        except RetryLater:
            failures += 1
        bench.sync()
        assert bench.passages(PUBLIC) == expected(*source.records.values())
        # One that was finished, but not promoted, is as good as an old one.
        assert names(client)[0] == "campus-v000001"
        assert len(names(client)) <= 2
    assert failures >= 8


def test_half_a_version_is_never_seen(quick_path: Path) -> None:
    client = QdrantClient(":memory:")
    with server(quick_path, client=client).write() as writer:
        writer.put([])
    with pytest.raises(NotFound, match="never been built"):
        server(quick_path, client=client).ping()


def names(client: QdrantClient) -> list[str]:
    return sorted(each.name for each in client.get_collections().collections)


def test_versions_are_numbered_kept_and_pruned(quick_path: Path) -> None:
    client = QdrantClient(":memory:")
    for number in range(4):
        facets = {f"facet{number}": Facet()}
        store_all(server(quick_path, facets, client=client, keep=2), make("a"))
    assert names(client) == ["campus-v000003", "campus-v000004"]
    with server(quick_path, facets, client=client).pin() as index:
        assert index.version == "campus-v000004"


def test_an_index_whose_name_begins_alike_is_left_alone(quick_path: Path) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("campus-v2-v000001", vectors_config={})
    client.create_collection("campus-vegan", vectors_config={})
    for number in range(3):
        store_all(server(quick_path, {f"f{number}": Facet()}, client=client, keep=1), make("a"))
    assert names(client) == ["campus-v000003", "campus-v2-v000001", "campus-vegan"]


def test_what_is_revoked_is_in_the_log_before_it_is_gone(quick_path: Path) -> None:
    client = QdrantClient(":memory:")
    store_all(server(quick_path, client=client), make("a"))
    failing: Any = Failing(client, 0, late=False)
    with pytest.raises(RetryLater), server(quick_path, client=failing).write() as writer:
        writer.delete("wiki:a")
    assert '"wiki:a"' in (quick_path / "revocations.jsonl").read_text("utf-8")


# --- errors ----------------------------------------------------------------------------------


def refused(status: int) -> UnexpectedResponse:
    return UnexpectedResponse(status, "no", b"secret body", httpx.Headers())


class GrpcError(Exception):
    def code(self) -> str:
        return "StatusCode.UNAVAILABLE"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ResponseHandlingException(ConnectionError("refused")), RetryLater, r"\(refused\)"),
        (refused(401), BadInput, "refuses the API key"),
        (refused(403), BadInput, "refuses the API key"),
        (refused(404), BadInput, "status 404"),
        (refused(408), RetryLater, "status 408"),
        (refused(429), RetryLater, "status 429"),
        (refused(500), RetryLater, "status 500"),
        (GrpcError(), RetryLater, "UNAVAILABLE"),
        (BadInput("its own"), BadInput, "its own"),
        (ZeroDivisionError("a bug"), ZeroDivisionError, "a bug"),
    ],
)
def test_errors_have_names(error: Exception, kind: type[Exception], message: str) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(kind, match=message) as caught:
        asked(fail)
    assert "secret" not in str(caught.value)


def test_a_client_is_made_as_the_definition_says(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(server_store, "QdrantClient", lambda **named: made.append(named))
    engine = ServerEngine(kind="server", url="https://qdrant.example:6333", timeout=0.4)
    server_store.connect(engine, "key")
    server_store.connect(engine.model_copy(update={"ca_file": Path("ca.pem")}), None)
    assert made[0]["prefer_grpc"] is True
    assert (made[0]["api_key"], made[0]["timeout"], made[0]["url"]) == ("key", 1, engine.url)
    assert (made[1]["prefer_grpc"], made[1]["verify"]) == (False, "ca.pem")


def test_connecting_waits_until_it_is_needed(quick_path: Path) -> None:
    def fail() -> NoReturn:
        raise AssertionError("connected")

    store = server_store.ServerStore(
        "campus",
        quick_path,
        server(quick_path)._schema,
        engine=ServerEngine(kind="server", url="http://qdrant.invalid"),
        keep=3,
        connect=fail,
    )
    with pytest.raises(AssertionError, match="connected"):
        store.ping()
