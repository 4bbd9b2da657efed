"""Records laid aside on disk between the two passes of a sync, in the order they came."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from rag.core.records import Record

_RECORD = TypeAdapter(Record)


class Spool:
    """A queue that keeps no record in memory. The file has no name: a crash leaves nothing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Lay one record aside."""
        self._file.write(_RECORD.dump_json(record) + b"\n")
        self._count += 1

    def drain(self) -> Iterator[Record]:
        """Every record, in order; afterwards the spool is empty."""
        self._file.seek(0)
        for line in self._file:
            yield _RECORD.validate_json(line)
        self._file.seek(0)
        self._file.truncate()
        self._count = 0
