"""Durability on a POSIX file system, step by step.

Every step that a crash can fall behind has a name and passes `step`, so that tests can stop a
process at each of them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC, ENXIO
from pathlib import Path

from rag.core.errors import RagError, RetryLater

STEPS = (
    "draft-begun",
    "draft-copied",
    "draft-replayed",
    "batch-embedded",
    "batch-put",
    "cursor-set",
    "revocations-appended",
    "optimized",
    "sealed",
    "synced-to-disk",
    "renamed",
    "promoted",
    "pruned",
)

_observers: list[Callable[[str], None]] = []


def observe(observer: Callable[[str], None]) -> None:
    """Call the observer at every durable step of this process from now on."""
    _observers.append(observer)


def step(name: str) -> None:
    """The process has come this far."""
    assert name in STEPS, name
    for observer in _observers:
        observer(name)


def fsync_tree(folder: Path) -> None:
    """Every file and folder below, and the folder itself, has reached the disk."""
    for root, _, files in os.walk(folder):
        for name in files:
            _fsync(Path(root) / name)
        _fsync(Path(root))


def copy_file(source: Path, target: Path) -> None:
    """Copy one file without filling its holes, which the engine's files are full of."""
    with source.open("rb") as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        position = 0
        while (piece := _next_data(reading.fileno(), position)) is not None:
            position, end = piece
            os.lseek(writing.fileno(), position, os.SEEK_SET)
            while position < end and (
                sent := os.sendfile(writing.fileno(), reading.fileno(), position, end - position)
            ):
                position += sent
        writing.truncate(size)


def _next_data(handle: int, position: int) -> tuple[int, int] | None:
    """Where the next bytes that are not a hole begin and end."""
    try:
        begin = os.lseek(handle, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == ENXIO:
            return None
        raise
    return begin, os.lseek(handle, begin, os.SEEK_HOLE)


def space_used(folder: Path) -> int:
    """Bytes that the folder's files take on the disk, holes left out."""
    return sum(
        (Path(root) / name).stat().st_blocks * 512
        for root, _, names in os.walk(folder)
        for name in names
    )


def require_room(place: Path, needed: int) -> None:
    """Return if the disk that holds `place` has `needed` bytes left.

    The engine maps its files into memory: where the disk is full when it writes, the kernel kills
    the process instead of reporting an error. So room is asked for before.

    Raises:
        RetryLater: it has not.
    """
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize
    if free < needed:
        raise RetryLater(
            f"The disk that holds {place} is full: {_mebibytes(free)} MiB are left, "
            f"{_mebibytes(needed)} are needed. The live version is as it was.",
            mend="Make room there, then run the same command again.",
        )


def _mebibytes(size: int) -> int:
    return -(-size // 2**20)


def replace_text(file: Path, text: str) -> None:
    """Atomically put the text into the file; after the return it survives a power cut."""
    draft = file.with_name(f"{file.name}.new")
    with draft.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    _fsync(file.parent)


def append_line(file: Path, text: str) -> int:
    """Append a block of whole lines durably; the file's length afterwards, in bytes."""
    with file.open("ab") as out:
        out.write(text.encode("utf-8"))
        out.flush()
        os.fsync(out.fileno())
        length = out.tell()
    _fsync(file.parent)
    return length


def rename(source: Path, target: Path) -> None:
    """Rename a folder; after the return its new name survives a power cut."""
    source.rename(target)
    _fsync(target.parent)


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn a full disk, in whatever words it is reported, into an error that says where and what.

    Raises:
        RetryLater: there is no space left below `place`.
    """
    try:
        yield
    except RagError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        raise RetryLater(
            f"The disk that holds {place} is full. The live version is as it was.",
            mend="Make room there, then run the same command again.",
        ) from error


def is_full(error: BaseException) -> bool:
    """Whether the error says, in whatever words, that a disk is full."""
    if isinstance(error, OSError) and error.errno in {ENOSPC, EDQUOT}:
        return True
    # SQLite and the Rust engine report it in words of their own.
    text = str(error).lower()
    return "disk is full" in text or "no space left" in text or "os error 28" in text


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
