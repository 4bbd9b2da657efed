"""Exports that are read as a whole: one file, a folder of files, or a glob."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from connectors.cursors import Cursor
from connectors.disk import fingerprint
from rag.core.errors import BadDocument, BadInput, RetryLater
from rag.core.records import Change, Checkpoint, Unreadable

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Where an export lies and how it is known again. `mark` names the definition.

    Of a folder, the files with one of the suffixes are read, by name.
    """

    source: str
    path: Path
    suffixes: tuple[str, ...]
    mark: str

    def changes(
        self, since: str | None, read: Callable[[Path], Iterator[Change]]
    ) -> Iterator[Change]:
        """Everything, if any file has changed since; then a checkpoint.

        As long as something in it is unreadable, every run reads it all and reports it again.

        Raises:
            BadInput: nothing is there, or a file can't be used.
            RetryLater: it was there and is gone, or is being written right now.
        """
        before = Cursor.load(since, self.mark).files
        now = self._marks(known=bool(before))
        failed = False
        if now != before:
            for change in self._each(now, read):
                failed = failed or isinstance(change, Unreadable)
                yield change
        files: Mapping[str, str] = {} if failed else now
        yield Checkpoint(cursor=Cursor(definition=self.mark, files=files).dump())

    def keys(self, read: Callable[[Path], Iterator[str]]) -> Iterator[str]:
        """Every key once.

        Raises:
            BadInput: a file can't be used.
            RetryLater: it is gone, or is being written right now.
        """
        seen: set[str] = set()
        for key in self._each(self._marks(known=True), read):
            if key not in seen:
                seen.add(key)
                yield key

    def _each(self, marks: Mapping[str, str], read: Callable[[Path], Iterator[_T]]) -> Iterator[_T]:
        for path in marks:
            try:
                yield from read(Path(path))
            except FileNotFoundError:
                raise self._gone(path) from None
            except BadDocument as error:
                raise BadDocument(f"{path}: {error.message}", mend=error.mend) from None
        if self._marks(known=True) != marks:
            raise RetryLater(
                f"The export {self.path} of source “{self.source}” was written while it was read.",
                mend="Write it to another name and rename it when it is complete.",
            )

    def _marks(self, *, known: bool) -> dict[str, str]:
        """Fingerprints by path, in the order of names."""
        try:
            found = {str(path): fingerprint(path) for path in self._paths()}
        except FileNotFoundError as error:
            raise self._gone(str(error.filename)) from None
        except BadDocument as error:
            raise BadDocument(f"{self.path}: {error.message}", mend=error.mend) from None
        if not found and known:
            raise self._gone(str(self.path))
        if not found:
            raise BadInput(
                f"Source “{self.source}”: there is no {' or '.join(self.suffixes)} file at "
                f"{self.path}.",
                mend="Mend `path`.",
            )
        return found

    def _paths(self) -> list[Path]:
        if os.path.isdir(self.path):  # noqa: PTH112 - no error of the disk escapes from this one
            files = (each for each in self.path.iterdir() if each.suffix.lower() in self.suffixes)
            return sorted(files)
        if os.path.lexists(self.path):
            return [self.path]
        top = Path(self.path.anchor)
        return sorted(top.glob(str(self.path.relative_to(top))))

    def _gone(self, path: str) -> RetryLater:
        return RetryLater(
            f"The export {path} of source “{self.source}” is gone.",
            mend="Check that it is mounted and was written.",
        )
