"""Measures text in the embedder's own tokens, and cuts what is too long for any passage."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from rag.core.errors import BadInput

CHARS_PER_TOKEN = 32
"""At most; many tokenizers count a word of any length as one unknown token."""
_USUAL_CHARS = 4
_REMEMBERED = 1024
_SPACE = re.compile(r"\s*")


class Ruler:
    """`limit` is what a passage may measure with everything that is embedded.

    Raises:
        BadInput: the embedder's passage prefix takes half of the limit.
    """

    def __init__(self, count_tokens: Callable[[str], int], limit: int) -> None:
        self._count = count_tokens
        self._overhead = count_tokens("")
        self.limit = limit
        self.room = limit - self._overhead
        if self.room < limit / 2:
            raise BadInput(
                f"The embedder's passage_prefix takes {self._overhead} of {limit} tokens.",
                mend="Shorten it, or raise max_tokens of the index's chunking.",
            )
        self.size = lru_cache(maxsize=_REMEMBERED)(self._size)
        self.gap = max(0, self._size("a\n\nb") - self._size("a") - self._size("b"))
        """Tokens of an empty line between two texts: none with most tokenizers."""

    def fits(self, text: str) -> bool:
        """Whether the text, as it is embedded, keeps the limit."""
        return len(text) <= self.limit * CHARS_PER_TOKEN and self._count(text) <= self.limit

    def cut(self, text: str, room: int) -> Iterator[tuple[str, str]]:
        """Pieces of at most `room` tokens, each with the white space before it.

        They end between words, or inside a word that alone is too long.
        """
        room = max(room, 1)
        if self.size(text) <= room:
            yield "", text
            return
        start, gap = 0, ""
        while start < len(text):
            end = start + self._longest(text[start : start + room * CHARS_PER_TOKEN], room)
            yield gap, text[start:end]
            found = _SPACE.match(text, end)
            start = found.end() if found else end
            gap = text[end:start]

    def _size(self, text: str) -> int:
        """Tokens that the text adds to others; a guess for what is far beyond the limit."""
        if len(text) > self.limit * CHARS_PER_TOKEN:
            return max(self.limit + 1, len(text) // _USUAL_CHARS)
        return self._count(text) - self._overhead

    def _longest(self, text: str, room: int) -> int:
        """Characters from the start that fit: at least one, and whole words if there is one."""
        end = len(text)
        while end > 1 and (size := self._size(text[:end])) > room:
            end = min(end - 1, max(1, end * room // size))
        if end == len(text) or text[end].isspace():
            return end
        space = max(text.rfind(mark, 0, end) for mark in " \t\n")
        return space if space > 0 and text[:space].strip() else end
