"""Lines of a file, none of them read beyond a bound."""

from collections.abc import Iterator
from typing import IO, AnyStr

_PIECE = 65_536


def bounded_lines(
    handle: IO[AnyStr], limit: int, ends: tuple[AnyStr, ...]
) -> Iterator[tuple[AnyStr, bool]]:
    r"""Each line with its end; of one longer than `limit` the beginning, and True.

    >>> import io
    >>> list(bounded_lines(io.BytesIO(b"ab\nabcdef\nc"), 4, (b"\n",)))
    [(b'ab\n', False), (b'abcde', True), (b'c', False)]
    """
    while line := handle.readline(limit + 1):
        too_long = len(line) > limit
        rest = line
        while too_long and rest and not rest.endswith(ends):
            rest = handle.readline(_PIECE)
        yield line, too_long
