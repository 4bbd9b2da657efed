"""Rows of a CSV file, each on its own: a broken one never takes its neighbours with it."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TextIO

from connectors.lines import bounded_lines
from connectors.rows import Row
from rag.core.errors import BadDocument, BadInput, nearest

MAX_LINE = 1_000_000
MAX_ROW_LINES = 200


_UNDECODED = re.compile("[\udc80-\udcff]")


class _RowTooLong(Exception):
    """A quotation that was opened does not end within reach."""


class _Lines:
    """Lines with the way back: what a row took by mistake is given again."""

    def __init__(self, handle: TextIO) -> None:
        self._fresh = enumerate(bounded_lines(handle, MAX_LINE, ("\n", "\r")), 1)
        self._again: deque[tuple[int, tuple[str, bool]]] = deque()
        self.taken: list[tuple[int, tuple[str, bool]]] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAX_ROW_LINES:
            raise _RowTooLong
        entry = self._again.popleft() if self._again else next(self._fresh)
        self.taken.append(entry)
        _, (line, too_long) = entry
        if too_long:
            raise _RowTooLong
        return line

    def restart(self) -> None:
        """Forget what the row took."""
        self.taken = []

    def give_back(self) -> None:
        """Take the row's first line as lost, and read on with its second."""
        self._again.extendleft(reversed(self.taken[1:]))


def csv_rows(handle: TextIO, delimiter: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows below the header, in their order; blank ones are passed over.

    The handle is to be opened with `newline=""` and `errors="surrogateescape"`.

    Raises:
        BadInput: there is no header, it names a column twice, or it lacks one of the columns.
    """
    lines = _Lines(handle)
    header: list[str] | None = None
    while (found := _next(lines, delimiter, len(header) if header else None)) is not None:
        number, cells = found
        if header is None:
            header = _header(cells, columns)
        elif isinstance(cells, BadDocument):
            yield Row(place=f"line {number}", problem=cells)
        elif any(cell.strip() for cell in cells):
            values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            yield Row(place=f"line {number}", data=values)
    if header is None:
        raise BadInput("The file is empty.", mend="A CSV file begins with a line of column names.")


def _next(
    lines: _Lines, delimiter: str, width: int | None
) -> tuple[int, list[str] | BadDocument] | None:
    """The next row that is not blank with the number of its first line, or None at the end."""
    cells: list[str] | BadDocument = []
    while not cells:
        lines.restart()
        try:
            cells = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except StopIteration:
            return None
        except (csv.Error, _RowTooLong):
            cells = BadDocument(
                "A quotation mark is missing, or the row is too long.", mend="Mend the row."
            )
        if cells and not isinstance(cells, BadDocument):
            cells = _checked(cells, width)
    if isinstance(cells, BadDocument):
        lines.give_back()
    return lines.taken[0][0], cells


def _checked(cells: list[str], width: int | None) -> list[str] | BadDocument:
    if any(_UNDECODED.search(cell) for cell in cells):
        return BadDocument("The row is not in the encoding of the file.", mend="Mend `encoding`.")
    if width is not None and len(cells) != width:
        return BadDocument(
            f"The row has {len(cells)} cells, the header {width}.",
            mend="Put cells with the separator in them into quotation marks.",
        )
    return cells


def _header(cells: list[str] | BadDocument, columns: Sequence[str]) -> list[str]:
    if isinstance(cells, BadDocument):
        raise BadInput(f"The header: {cells}")
    names = [cell.removeprefix("\ufeff").strip() for cell in cells]
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise BadInput(f"The header names the column {twice[0]} twice.", mend="Rename one of them.")
    for column in columns:
        if column not in names:
            raise BadInput(
                f"The header has no column {column}.",
                mend=f"{nearest(column, names)} Mend the mapping, or `delimiter` or `encoding`.",
            )
    return names
