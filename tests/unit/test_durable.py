"""Copies, and room on the disk."""

import os
import shutil
import sqlite3
from errno import ENOSPC
from pathlib import Path

import pytest

from indexes import durable
from rag.core.errors import Damaged, RetryLater
from tests.contracts.index_material import make
from tests.generations import opened, put, seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # What stands in a URI for something else must not do so here.
    return tmp_path / "a b?c#d%20" / "campus"


def test_a_copy_keeps_the_holes_of_the_files(folder: Path) -> None:
    generation = folder / put(folder, make("a"))
    file = max(generation.rglob("*.dat"), key=lambda each: each.stat().st_size)
    durable.copy_file(file, folder / "copy")
    assert (folder / "copy").read_bytes() == file.read_bytes()
    assert (folder / "copy").stat().st_blocks * 512 < file.stat().st_size / 10


@pytest.mark.parametrize(("head", "hole", "tail"), [(0, 0, 0), (1, 0, 0), (0, 9, 0), (5, 9, 5)])
def test_a_copy_is_a_copy(tmp_path: Path, head: int, hole: int, tail: int) -> None:
    mebibyte = 2**20
    with (tmp_path / "a").open("wb") as out:
        out.write(os.urandom(head * mebibyte // 3))
        out.seek(hole * mebibyte, os.SEEK_CUR)
        out.write(os.urandom(tail * mebibyte // 3))
        out.truncate()
    durable.copy_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_full_disk_is_named_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, make("a"))
    real = os.statvfs(folder)
    few = os.statvfs_result((*real[:4], 3, *real[5:]))
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: few)
        with pytest.raises(RetryLater, match=r"disk that holds .*campus is full.* Make room"):
            put(folder, make("b"))
    assert not (folder / "draft").exists()
    assert seen(opened(folder)).keys() == {"wiki:a"}
    put(folder, make("b"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(ENOSPC, "No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
        Exception("Service runtime error: IO Error: No space left on device (os error 28)"),
        shutil.Error([("a", "b", "[Errno 28] No space left on device")]),
    ],
)
def test_a_full_disk_is_named_in_whatever_words_it_is_reported(error: Exception) -> None:
    with pytest.raises(RetryLater, match=r"disk that holds data is full.* Make room"):
        _fail(error)


@pytest.mark.parametrize("error", [OSError("else"), ValueError("else"), Damaged("else")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error), match="else"):
        _fail(error)


def _fail(error: Exception) -> None:
    with durable.disk_errors(Path("data")):
        raise error


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "CURRENT"
    for text in ("g000001", "g000002 Zürich"):
        durable.replace_text(file, text)
        assert file.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [file]
