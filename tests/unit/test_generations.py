"""Sealed generations on disk: the pointer, pinned readers, pruning, and damage."""

import gc
import hashlib
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from indexes.edge.shard import Shard
from indexes.generation import generations, live_generation
from indexes.generations import EdgeStore
from rag.core.errors import Busy, Damaged, NotFound
from tests.contracts.index_material import PUBLIC, embed, make
from tests.generations import opened, put, roll_back, seen


@pytest.fixture
def folder(quick_path: Path) -> Path:
    # What stands in a URI for something else must not do so here.
    return quick_path / "a b?c#d%20" / "campus"


@contextmanager
def held(store: EdgeStore) -> Iterator[Callable[[], dict[str, str]]]:
    """A pinned version, and what it shows."""
    with store.pin() as index:
        yield lambda: {p.record_id: p.text for p in index.scroll(labels=PUBLIC)}


# --- reading ---------------------------------------------------------------------------------


def test_an_open_store_follows_the_pointer(folder: Path) -> None:
    reader = opened(folder)
    first = put(folder, make("a", "one"))
    assert seen(reader) == {"wiki:a": "one"}
    second = put(folder, make("a", "two"))
    assert seen(reader) == {"wiki:a": "two"}
    assert (first, second, live_generation(folder)) == ("g000001", "g000002", "g000002")
    roll_back(folder, first)
    assert seen(reader) == {"wiki:a": "one"}


def test_a_pinned_version_outlives_pruning(folder: Path) -> None:
    put(folder, make("a", "one"), keep=1)
    reader, other = opened(folder), opened(folder)
    with held(reader) as pinned, held(other) as pinned_elsewhere:
        for number in range(4):
            put(folder, make("a", f"later {number}"), keep=1)
        assert pinned() == pinned_elsewhere() == {"wiki:a": "one"}
        assert generations(folder) == ["g000001", "g000005"]
        assert seen(reader) == {"wiki:a": "later 3"}
        assert pinned() == {"wiki:a": "one"}
    assert seen(other) == {"wiki:a": "later 3"}
    put(folder, make("a", "last"), keep=1)
    # The other reader let the first go only when it turned to the fifth, which it reads now.
    assert generations(folder) == ["g000005", "g000006"]


def test_a_dropped_store_keeps_nothing(folder: Path) -> None:
    put(folder, make("a"))
    assert seen(opened(folder)).keys() == {"wiki:a"}
    gc.collect()
    put(folder, make("b"), keep=1)
    assert generations(folder) == ["g000002"]


def test_many_threads_read_while_versions_change(folder: Path) -> None:
    put(folder, make("a", "0"), keep=1)
    reader, stop = opened(folder), threading.Event()
    found: list[list[int]] = [[] for _ in range(4)]
    failures: list[BaseException] = []

    def read(numbers: list[int]) -> None:
        try:
            while not stop.is_set():
                numbers.append(int(seen(reader)["wiki:a"]))
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=read, args=(numbers,)) for numbers in found]
    for thread in threads:
        thread.start()
    for number in range(1, 9):
        put(folder, make("a", str(number)), keep=1)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(numbers == sorted(numbers) for numbers in found)
    assert seen(reader) == {"wiki:a": "8"}


def test_reading_changes_no_sealed_file(folder: Path) -> None:
    """Except for those that the engine rewrites by renaming; see generation.py."""
    records = [make(f"{i}", "one\n\ntwo", facets={"level": "b"}) for i in range(50)]
    generation = folder / put(folder, *records)
    before = contents(generation)
    store, other = opened(folder), opened(folder)
    assert len(seen(store)) == len(seen(other)) == 50
    put(folder, make("x"))
    assert len(seen(store)) == len(seen(other)) == 51
    roll_back(folder, generation.name)
    assert len(seen(store)) == 50
    assert contents(generation) == before


def contents(folder: Path) -> dict[str, str]:
    engine_s_own = {"edge_config.json", "segment.json"}
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in engine_s_own
    }


# --- writing ---------------------------------------------------------------------------------


def test_prune_keeps_as_many_as_asked(folder: Path) -> None:
    for number in range(5):
        put(folder, make("a", str(number)), keep=2)
    assert generations(folder) == ["g000004", "g000005"]


def test_a_rolled_back_version_is_never_pruned(folder: Path) -> None:
    for number in range(3):
        put(folder, make("a", str(number)))
    roll_back(folder, "g000001")
    with opened(folder, keep=1).write() as writer:
        assert writer.publish() == "g000001"
    assert put(folder, make("b"), keep=1) == "g000004"
    assert generations(folder) == ["g000004"]
    assert seen(opened(folder)) == {"wiki:a": "0", "wiki:b": "eduroam on a phone"}


def test_a_run_that_changes_nothing_makes_no_version(folder: Path) -> None:
    put(folder, make("a"))
    with opened(folder).write() as writer:
        writer.set_cursor("wiki", "1")
        writer.publish()
    before = sorted(folder.rglob("*"))
    with opened(folder).write() as writer:
        writer.relabel("wiki:a", PUBLIC)
        writer.delete("wiki:never")
        writer.set_cursor("wiki", "1")
        writer.put([])
        assert writer.publish() == "g000002"
    assert sorted(folder.rglob("*")) == before


def test_a_second_writer_is_busy_also_in_another_process(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with opened(folder).write():
        with ExitStack() as stack, pytest.raises(Busy, match=r"Another process.* Wait until"):
            stack.enter_context(opened(folder).write())
        with context.Pool(1) as pool:
            assert pool.apply(_try_to_write, (folder,)) == "Busy"
    with context.Pool(1) as pool:
        assert pool.apply(_try_to_write, (folder,)) == "written"


def _try_to_write(folder: Path) -> str:
    try:
        put(folder, make("a"))
    except Busy as error:
        return type(error).__name__
    return "written"


def test_what_a_crash_left_of_a_draft_is_removed(folder: Path) -> None:
    put(folder, make("a"))
    (folder / "draft" / "shard").mkdir(parents=True)
    (folder / "draft" / "shard" / "junk").write_text("…", "utf-8")
    put(folder, make("b"))
    assert not (folder / "draft").exists()
    assert seen(opened(folder)).keys() == {"wiki:a", "wiki:b"}


def test_an_error_while_writing_leaves_nothing(folder: Path) -> None:
    put(folder, make("a"))
    before = sorted(each.name for each in folder.iterdir())
    with suppress(ZeroDivisionError), opened(folder).write() as writer:
        writer.put([(make("b"), embed(make("b")))])
        assert (folder / "draft").exists()
        raise ZeroDivisionError
    assert sorted(each.name for each in folder.iterdir()) == before
    assert seen(opened(folder)).keys() == {"wiki:a"}


# --- another schema --------------------------------------------------------------------------


def test_a_reader_of_the_old_schema_goes_on_with_its_version(folder: Path) -> None:
    put(folder, make("a", "old"))
    reader = opened(folder)
    assert seen(reader) == {"wiki:a": "old"}
    handles = len(list(Path("/proc/self/fd").iterdir()))
    with opened(folder, facet="colour", keep=1).write() as writer:
        assert writer.fresh
        writer.put([(make("b", "new"), embed(make("b", "new")))])
        writer.publish()
    for _ in range(20):
        assert seen(reader) == {"wiki:a": "old"}
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles
    with pytest.raises(NotFound, match="other settings"):
        seen(opened(folder))
    assert seen(opened(folder, facet="colour")) == {"wiki:b": "new"}


# --- damage ----------------------------------------------------------------------------------


def test_without_a_pointer_nothing_was_ever_built(folder: Path) -> None:
    with pytest.raises(NotFound, match="Run “rag sync”"):
        opened(folder).ping()


@pytest.mark.parametrize("junk", [b"", b"draft\n", b"../g000001", b"\xff\xfe\x00", b"g1"])
def test_a_broken_pointer_is_damage(folder: Path, junk: bytes) -> None:
    put(folder, make("a"))
    (folder / "CURRENT").write_bytes(junk)
    with pytest.raises(Damaged, match="Write one of these into it: g000001"):
        opened(folder).ping()
    with pytest.raises(Damaged, match="Write one of these into it: g000001"):
        put(folder, make("b"))


def test_a_pointer_to_nothing_is_damage(folder: Path) -> None:
    put(folder, make("a"))
    put(folder, make("b"))
    shutil.rmtree(folder / "g000002")
    for use in (lambda: opened(folder).ping(), lambda: put(folder, make("c"))):
        with pytest.raises(Damaged, match="Write one of these into CURRENT: g000001"):
            use()
    roll_back(folder, "g000001")
    assert seen(opened(folder)).keys() == {"wiki:a"}


@pytest.mark.parametrize("meta", ["", "{", "[]", "{}", '{"schema": 1}', "null", '{"files": {}}'])
def test_a_broken_description_is_damage(folder: Path, meta: str) -> None:
    generation = folder / put(folder, make("a"))
    (generation / "meta.json").write_text(meta, "utf-8")
    for use in (lambda: opened(folder).ping(), lambda: put(folder, make("c"))):
        with pytest.raises(Damaged, match=r"is not complete\. Delete .* and run “rag sync”"):
            use()


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize("spoil", [shorten, empty, Path.unlink])
@pytest.mark.parametrize("name", ["*.dat", "*.mmap", "*.mappings", "ledger.sqlite", "config.json"])
def test_a_shortened_or_missing_file_is_damage(
    folder: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    """The engine itself would open such a shard without a word."""
    generation = folder / put(folder, make("a"))
    spoil(max(generation.rglob(name)))
    for use in (lambda: opened(folder).ping(), lambda: put(folder, make("c"))):
        with pytest.raises(Damaged, match=r"generation .* Delete .* and run “rag sync”"):
            use()


@pytest.mark.parametrize("name", ["edge_config.json", "segment.json"])
def test_a_broken_engine_file_is_damage(folder: Path, name: str) -> None:
    generation = folder / put(folder, make("a"))
    next(generation.rglob(name)).write_text("{", "utf-8")
    for use in (lambda: opened(folder).ping(), lambda: put(folder, make("c"))):
        with pytest.raises(Damaged, match=r"can't be opened.* run “rag sync”"):
            use()


def test_a_panic_of_the_engine_is_damage(folder: Path) -> None:
    shard = folder / put(folder, make("a")) / "shard"
    for status in shard.rglob("has_values/status.dat"):
        empty(status)
    with pytest.raises(Damaged, match="out of bounds"):
        Shard.load(shard)


def test_a_deleted_index_is_built_anew(folder: Path) -> None:
    put(folder, make("a"))
    shutil.rmtree(folder)
    put(folder, make("b"))
    assert seen(opened(folder)).keys() == {"wiki:b"}
