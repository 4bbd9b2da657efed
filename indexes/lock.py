"""One writer at a time, across processes; the kernel lets go when a process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.core.errors import Busy


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold the lock for as long as the context lasts.

    Raises:
        Busy: another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try(handle, fcntl.LOCK_EX):
            raise Busy(
                f"Another process is writing to {file.parent}.",
                mend="Wait until it has ended, then run the command again.",
            )
        yield
    finally:
        os.close(handle)


def share(folder: Path) -> int:
    """Mark the folder as in use; the handle to release when it no longer is.

    Raises:
        FileNotFoundError: it is not there, or is being removed.
    """
    handle = os.open(folder, os.O_RDONLY)
    if not _try(handle, fcntl.LOCK_SH):
        os.close(handle)
        raise FileNotFoundError(f"{folder} is being removed")
    return handle


def release(handle: int) -> None:
    """End what `share` began."""
    os.close(handle)


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether nobody shares the folder; while the context lasts, nobody can begin to."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _try(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
