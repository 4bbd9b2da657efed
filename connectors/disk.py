"""Files that others change, replace or take away while we read: listing and opening them."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rag.core.errors import BadDocument, RetryLater

_TICK = 0.02
_OF_THIS_FILE = {errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EISDIR, errno.ENOTDIR}


def listed(root: Path, *, hidden: bool) -> list[str]:
    """The POSIX paths below the folder of all that is no folder, sorted.

    Links are listed and never followed. Names that begin with a dot only where `hidden` says so.

    Raises:
        RetryLater: a folder could not be listed; a short listing would look like deleted files.
    """

    def incomplete(error: OSError) -> None:
        raise RetryLater(
            f"{error.filename} can't be listed: {error.strerror}.",
            mend="Check that the folder is mounted and may be read.",
        )

    found: list[str] = []
    for folder, folders, names in os.walk(root, onerror=incomplete):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = [name for name in folders if hidden or not name.startswith(".")]
        found += [
            Path(folder, name).relative_to(root).as_posix()
            for name in [*names, *links]
            if hidden or not name.startswith(".")
        ]
    return sorted(found)


def fingerprint(path: Path) -> str:
    """Hex hash of size, both times and inode: any write after this call gives another.

    A file system stamps changes by a clock that ticks every few milliseconds. A file changed within
    the current tick could change again and keep its stamp, so this waits until the tick is over.

    Raises:
        As `opened`.
    """
    try:
        found = path.stat()
        if 0 <= time.time() - found.st_ctime < _TICK:
            time.sleep(_TICK)
            found = path.stat()
    except OSError as error:
        raise _explained(error, path) from None
    seen = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
    return hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()


@contextmanager
def opened(path: Path, *, within: Path | None = None) -> Iterator[BinaryIO]:
    """The regular file, open for reading. With `within`, links must not lead out of that folder.

    Raises:
        FileNotFoundError: it is gone.
        BadDocument: it may not be read, is no regular file, or leads out of the folder.
        RetryLater: the disk failed.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        if within is not None and not real.is_relative_to(os.path.realpath(within)):
            raise BadDocument("The link leads out of the folder.", mend="Copy the file itself.")
        # A pipe would block until somebody writes; a link put in the file's place is not followed.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadDocument("This is no regular file.", mend="Exclude it.")
            with os.fdopen(descriptor, "rb", closefd=False) as handle:
                yield handle
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _explained(error, path) from None


def _explained(error: OSError, path: Path) -> Exception:
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return BadDocument("The link leads nowhere.", mend="Mend it or delete it.")
        return error
    if isinstance(error, PermissionError):
        return BadDocument("The file may not be read.", mend="Give this account the right to.")
    if error.errno in _OF_THIS_FILE:
        return BadDocument(f"The file can't be opened: {error.strerror}.", mend="Exclude it.")
    return RetryLater(f"{path} can't be read: {error.strerror}.", mend="Check the disk.")


def read_whole(path: Path, *, max_bytes: int, within: Path | None = None) -> bytes:
    """The content of a file that is not larger than the bound; a larger one is not read.

    Raises:
        As `opened`, and BadDocument: it is larger.
    """
    with opened(path, within=within) as handle:
        size = os.fstat(handle.fileno()).st_size
        data = b"" if size > max_bytes else handle.read(max_bytes + 1)
    if max(size, len(data)) > max_bytes:
        raise BadDocument(
            f"The file has {max(size, len(data)):,} bytes.",
            mend=f"Split it, exclude it, or raise max_bytes ({max_bytes:,}).",
        )
    return data
