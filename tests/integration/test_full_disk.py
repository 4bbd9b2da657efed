"""A disk that runs full: a clear error, the live version intact, and success once there is room."""

import gc
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests import crashing
from tests.contracts.index_material import PUBLIC
from tests.fakes import ListSource
from tests.syncing import Bench

_MEBIBYTE = 2**20
_DISK = 1024 * _MEBIBYTE
# Down to nothing, and close to what the writer asks for.
_LEFT = (0, 1, 8, 32, 60, 63, 64, 65, 66, 72, 96, 384)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.crashing"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own: ext4 in a file where that can be mounted, else one in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("Only root may mount the small disk that this test fills.")
    if not (_mount_file(tmp_path / "image", place) or _mount_memory(place)):
        pytest.skip("This machine lets even root mount nothing.")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _mount_file(image: Path, place: Path) -> bool:
    with image.open("wb") as out:
        out.truncate(_DISK)
    make = ["mkfs.ext4", "-q", "-m", "0", str(image)]
    return _run(*make) and _run("mount", "-o", "loop", str(image), str(place))


def _mount_memory(place: Path) -> bool:
    return _run("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place))


def _run(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def fill(place: Path, left: int) -> Path:
    """Take all but so many bytes of the disk; at 0 to the last block."""
    filler = place / "filler"
    disk = os.statvfs(place)
    size = disk.f_bavail * disk.f_frsize - left
    with filler.open("wb", buffering=0) as out, suppress(OSError):
        # The file system needs something for itself.
        os.posix_fallocate(out.fileno(), 0, max(1, size - _MEBIBYTE))
        out.seek(0, os.SEEK_END)
        while left == 0:
            out.write(bytes(4096))
    return filler


def sync_elsewhere(folder: Path, source: ListSource) -> str:
    """How a sync in a process of its own ended; the kernel must not have ended it."""
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=crashing.sync_and_tell, args=(folder, source, theirs))
    process.start()
    process.join()
    assert process.exitcode == 0
    return str(ours.recv())


def seen(bench: Bench) -> str:
    with bench.store.pin() as index:
        return crashing.fingerprint(index.scroll(labels=PUBLIC))


def test_a_full_disk_costs_nothing_but_time(small_disk: Path) -> None:
    states = crashing.states()
    source = ListSource(has_keys=True)
    crashing.turn(source, states[0])
    bench = crashing.bench_in(small_disk, source)
    bench.sync()
    at, ended = 0, []
    with ExitStack() as stack:
        pinned = stack.enter_context(bench.store.pin())
        for left in _LEFT:
            crashing.turn(source, states[1 - at])
            filler = fill(small_disk, left * _MEBIBYTE)
            how = sync_elsewhere(small_disk, source)
            ended.append(how)
            if how == "done, 0 failed":
                at = 1 - at
            else:
                assert f"The disk that holds {small_disk / 'campus'} is full" in how
                assert "Make room there" in how
                assert not (small_disk / "campus" / "draft").exists()
            half = crashing.half_way(states[at], states[1 - at])
            allowed = {
                crashing.fingerprint_of(states[at].values()),
                crashing.fingerprint_of(half),
            }
            assert seen(bench) in allowed
            assert seen(crashing.bench_in(small_disk, source)) in allowed
            assert crashing.fingerprint(pinned.scroll(labels=PUBLIC)) == crashing.fingerprint_of(
                states[0].values()
            )
            filler.unlink()
            gc.collect()
            assert sync_elsewhere(small_disk, source) == "done, 0 failed"
            at = next(i for i in (0, 1) if states[i].keys() == source.records.keys())
            assert seen(bench) == crashing.fingerprint_of(states[at].values())
    # Little room was not enough, much was.
    assert "full" in ended[0]
    assert ended[-1] == "done, 0 failed"


def test_a_first_build_on_a_full_disk(small_disk: Path) -> None:
    source = ListSource(has_keys=True)
    crashing.turn(source, crashing.states()[0])
    filler = fill(small_disk, 2 * _MEBIBYTE)
    assert "is full" in sync_elsewhere(small_disk, source)
    filler.unlink()
    assert sync_elsewhere(small_disk, source) == "done, 0 failed"
