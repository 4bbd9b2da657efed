"""The append-only log of what must not come back: deletes, narrowed labels, erasures.

An index keeps one log beside its versions. Every version knows how far into the log it has come;
what stands behind that point is replayed before the version becomes visible.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from indexes import durable
from rag.core.errors import Damaged
from rag.core.records import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The record is gone (`labels` is None), or only these labels may still see it."""

    record_id: str
    labels: Labels | None


class RevocationLog:
    """One JSON line a revocation. Only the index's one writer appends."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def end(self) -> int:
        """Length of the log in bytes, a torn last line left out."""
        return self._sound_length()

    def append(self, revocations: Sequence[Revocation]) -> int:
        """Make the revocations durable; the log's length afterwards."""
        self._drop_torn_tail()
        if not revocations:
            return self.end()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lines = "".join(_line(each, now) for each in revocations)
        return durable.append_line(self._file, lines)

    def has_more(self, position: int) -> bool:
        """Whether there are revocations behind the position.

        Raises:
            Damaged: the log does not reach to the position.
        """
        end = self.end()
        if position > end:
            raise self._damaged(f"is shorter ({end} bytes) than a version remembers ({position})")
        return position < end

    def since(self, position: int) -> Iterator[Revocation]:
        """The revocations behind a position, in order.

        Raises:
            Damaged: the position or a line before the last is not sound.
        """
        if not self.has_more(position):
            return
        with self._file.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                yield self._parse(line)

    def _parse(self, line: bytes) -> Revocation:
        try:
            data = json.loads(line)
            labels = data["labels"]
            return Revocation(
                record_id=data["id"], labels=None if labels is None else frozenset(labels)
            )
        except (ValueError, KeyError, TypeError):
            raise self._damaged("has a line that can't be read") from None

    def _damaged(self, how: str) -> Damaged:
        return Damaged(
            f"The revocation log {self._file} {how}.",
            mend="Restore it from a backup, or delete the whole index and run “rag sync”: "
            "with what is there now, deleted records could come back.",
        )

    def _sound_length(self) -> int:
        if not self._file.exists():
            return 0
        with self._file.open("rb") as lines:
            length = lines.seek(0, os.SEEK_END)
            lines.seek(max(0, length - 1))
            if lines.read() in {b"", b"\n"}:
                return length
        return self._file.read_bytes().rfind(b"\n") + 1

    def _drop_torn_tail(self) -> None:
        """A line that a crash cut off belongs to a run that never became visible."""
        length = self._sound_length()
        if self._file.exists() and self._file.stat().st_size > length:
            with self._file.open("r+b") as out:
                out.truncate(length)


def _line(revocation: Revocation, now: str) -> str:
    labels = None if revocation.labels is None else sorted(revocation.labels)
    data = {"at": now, "id": revocation.record_id, "labels": labels}
    return json.dumps(data, ensure_ascii=False) + "\n"
