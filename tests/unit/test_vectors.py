"""The vector cache loses at most what was not written, and never gives a wrong vector."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexes import vectors
from indexes.vectors import CachedEmbedder, VectorCache
from rag.core.errors import Busy, RetryLater
from rag.core.records import Vector
from tests.fakes import HashEmbedder

PROJECT = Path(__file__).parents[2]
TEXTS = ["eduroam", "drucken", "Ändern Sie Ihr Kennwort", ""]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "vectors.sqlite"


@pytest.fixture
def cache(path: Path) -> VectorCache:
    return VectorCache(path)


def made(texts: Sequence[str], dimension: int = 32) -> dict[str, Vector]:
    embedder = HashEmbedder(dimension)
    return {text: embedder.embed_query(text) for text in texts}


def rows(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])
    finally:
        database.close()


def close(one: Vector, other: Vector) -> bool:
    return list(one) == pytest.approx(list(other), abs=1e-6)


# --- the cache -----------------------------------------------------------------------------------


def test_what_was_put_comes_back(cache: VectorCache, path: Path) -> None:
    wanted = made(TEXTS)
    cache.put("one", wanted)
    for reader in (cache, VectorCache(path)):
        found = reader.get("one", [*TEXTS, "unknown"])
        assert set(found) == set(TEXTS)
        assert all(close(found[text], wanted[text]) for text in TEXTS)


def test_embedders_are_kept_apart(cache: VectorCache) -> None:
    cache.put("one", made(TEXTS))
    assert cache.get("other", TEXTS) == {}


def test_a_later_vector_replaces_an_earlier_one(cache: VectorCache) -> None:
    cache.put("one", {"text": [1.0, 0.0]})
    cache.put("one", {"text": [0.0, 1.0]})
    assert cache.get("one", ["text"]) == {"text": (0.0, 1.0)}


def test_more_texts_than_fit_one_question_are_found(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def as_before_2020(*args: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **options)
        database.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        return database

    monkeypatch.setattr(sqlite3, "connect", as_before_2020)
    texts = [f"text {number}" for number in range(1300)]
    cache.put("one", made(texts))
    assert set(cache.get("one", texts)) == set(texts)


def test_nothing_asked_opens_nothing(cache: VectorCache, path: Path) -> None:
    assert cache.get("one", []) == {}
    assert not path.exists()


@pytest.mark.parametrize(
    "blob", [b"", b"123", b"\0" * 128, b"\xff" * 128, b"\x01" * 128, "text", 7]
)
def test_what_is_no_unit_vector_is_not_there(cache: VectorCache, path: Path, blob: Any) -> None:
    cache.put("one", made(["text"]))
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE vectors SET vector = ?", (blob,))
    database.close()
    assert cache.get("one", ["text"]) == {}
    cache.put("one", made(["text"]))
    assert set(cache.get("one", ["text"])) == {"text"}


# --- what happens to files -----------------------------------------------------------------------


def test_a_file_that_is_no_database_is_put_aside(cache: VectorCache, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 500)
    journal = path.with_name("vectors.sqlite-journal")
    journal.write_bytes(b"left over")
    assert cache.get("one", TEXTS) == {}
    assert not journal.exists()
    cache.put("one", made(TEXTS))
    assert len(cache.get("one", TEXTS)) == len(TEXTS)
    assert path.with_name("vectors.sqlite.damaged").read_bytes().startswith(b"this is no")


def test_a_file_with_broken_pages_is_put_aside(cache: VectorCache, path: Path) -> None:
    texts = [f"text {number}" for number in range(500)]
    cache.put("one", made(texts))
    data = bytearray(path.read_bytes())
    data[4096:-4096] = random.Random(7).randbytes(len(data) - 8192)
    path.write_bytes(data)
    assert len(cache.get("one", texts)) < len(texts)
    cache.put("one", made(texts))
    assert len(cache.get("one", texts)) == len(texts)


def test_a_full_disk_is_named(
    cache: VectorCache, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("one", made(["before"]))
    connect = sqlite3.connect

    def on_a_small_disk(*args: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **options)
        database.execute("PRAGMA max_page_count = 3")
        return database

    monkeypatch.setattr(sqlite3, "connect", on_a_small_disk)
    texts = [f"text {number}" for number in range(500)]
    with pytest.raises(RetryLater, match=f"disk of {path.parent} is full.*Free some space"):
        cache.put("one", made(texts))
    assert cache.get("one", texts) == {}
    assert set(cache.get("one", ["before"])) == {"before"}


def test_a_disk_that_takes_no_writes_is_named(path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
from indexes.vectors import VectorCache
from rag.core.errors import RetryLater
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    VectorCache(Path({str(path)!r})).put("one", {{str(n): [1.0] + [0.0] * 99 for n in range(999)}})
except RetryLater as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert f"The vector cache {path} can't be used" in done.stdout
    assert "its disk has space" in done.stdout


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = VectorCache(tmp_path / "file" / "vectors.sqlite")
    with pytest.raises(RetryLater, match="See that this process may write to"):
        cache.get("one", TEXTS)


def test_a_path_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RetryLater, match="can't be used"):
        VectorCache(tmp_path).put("one", made(TEXTS))


def test_another_writer_is_waited_for_and_then_named(
    cache: VectorCache, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("one", made(["before"]))
    monkeypatch.setattr(vectors, "WAIT", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Busy, match="Another process"):
        cache.put("one", made(TEXTS))
    other.execute("ROLLBACK")
    other.close()
    cache.put("one", made(TEXTS))


WRITER = """
import sys
from pathlib import Path
from indexes.vectors import VectorCache
from tests.fakes import HashEmbedder
cache, embedder = VectorCache(Path(sys.argv[1])), HashEmbedder(32)
for batch in range(int(sys.argv[3])):
    texts = [f"{sys.argv[2]} {batch} {number}" for number in range(20)]
    cache.put("one", {text: embedder.embed_query(text) for text in texts})
    print(batch, flush=True)
"""


@pytest.fixture
def writers(path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def start(name: str, batches: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(path), name, str(batches)]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def test_several_processes_write_one_file(cache: VectorCache, writers: Any) -> None:
    for process in [writers(name, 15) for name in "abc"]:
        process.communicate()
        assert process.returncode == 0
    texts = [f"{name} {batch} {n}" for name in "abc" for batch in range(15) for n in range(20)]
    assert len(cache.get("one", texts)) == len(texts)


def test_a_killed_writer_leaves_whole_batches(cache: VectorCache, path: Path, writers: Any) -> None:
    chance = random.Random(11)
    for name in "abcd":
        process = writers(name, 100_000)
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        written, _ = process.communicate()
        known = 1 + len(written.splitlines())
        texts = [f"{name} {batch} {n}" for batch in range(known) for n in range(20)]
        found = cache.get("one", texts)
        assert len(found) == len(texts)
        assert all(close(found[text], vector) for text, vector in made(texts).items())
        assert rows(path) % 20 == 0


@pytest.mark.torture
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_really_full_disk_is_named_and_survived(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], check=True)
    try:
        cache = VectorCache(tmp_path / "vectors.sqlite")
        embedder = CachedEmbedder(HashEmbedder(), cache)
        embedder.embed_passages(TEXTS)
        with pytest.raises(RetryLater, match="disk"):
            embedder.embed_passages([f"text {number}" for number in range(5000)])
        assert len(cache.get(embedder.key, TEXTS)) == len(TEXTS)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# --- the embedder on it --------------------------------------------------------------------------


class Progress:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def start(self, task: str, total: int | None) -> None:
        self.seen.append((task, total))

    def advance(self, steps: int = 1) -> None:
        self.seen.append(steps)

    def finish(self) -> None:
        self.seen.append("done")


class FailsOn(HashEmbedder):
    """Goes down with the text."""

    text = ""

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        if self.text in texts:
            raise RetryLater("The machine has no memory left.")
        return super().embed_passages(texts)


def test_a_passage_is_embedded_once(cache: VectorCache) -> None:
    inner = HashEmbedder()
    embedder = CachedEmbedder(inner, cache)
    first = embedder.embed_passages(["a", "b", "a"])
    again = embedder.embed_passages(["c", "b", "a"])
    assert inner.embedded == ["a", "b", "c"]
    assert (embedder.hits, embedder.misses) == (3, 3)
    assert close(first[0], first[2])
    assert close(first[0], again[2])


def test_a_new_process_embeds_nothing_again(path: Path) -> None:
    CachedEmbedder(HashEmbedder(), VectorCache(path)).embed_passages(TEXTS)
    inner = HashEmbedder()
    embedder = CachedEmbedder(inner, VectorCache(path))
    for vector, wanted in zip(embedder.embed_passages(TEXTS), made(TEXTS).values(), strict=True):
        assert close(vector, wanted)
    assert inner.embedded == []
    assert (embedder.hits, embedder.misses) == (len(TEXTS), 0)


def test_what_was_embedded_before_a_failure_is_kept(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    inner, progress = FailsOn(), Progress()
    inner.text = "e"
    embedder = CachedEmbedder(inner, cache, progress=progress)
    with pytest.raises(RetryLater, match="no memory"):
        embedder.embed_passages(list("abcdef"))
    assert set(cache.get(inner.key, list("abcdef"))) == set("abcd")
    assert progress.seen == [("embedding", 6), 2, 2, "done"]


def test_progress_tells_only_of_what_is_embedded(cache: VectorCache) -> None:
    progress = Progress()
    embedder = CachedEmbedder(HashEmbedder(), cache, progress=progress)
    embedder.embed_passages(["a", "b"])
    embedder.embed_passages(["a", "b"])
    assert progress.seen == [("embedding", 2), 2, "done"]


def test_it_speaks_for_the_inner_embedder(cache: VectorCache, path: Path) -> None:
    inner = HashEmbedder(7)
    embedder = CachedEmbedder(inner, cache)
    assert (embedder.key, embedder.dimension) == (inner.key, 7)
    assert (embedder.max_tokens, embedder.count_tokens("a b")) == (inner.max_tokens, 2)
    assert embedder.embed_query("a") == inner.embed_query("a")
    assert not path.exists()
