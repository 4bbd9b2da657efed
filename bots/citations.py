"""Citations in the text of an answer: `[n]`, while it streams and when it stands.

Numbers stay as the generator wrote them. Counting them anew by first use would read more nicely,
but a number that the preview has shown can't be taken back, and the final text must not contradict
it.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

_WORD = r"(?:Quellen?|Sources?|Passagen?|Passages?)"
_GAP = r"[ \t\u00a0]?"
_NUMBERS = rf"\^?(?:{_WORD} )?\d{{1,9}}(?:{_GAP}(?:[,;–-]|und|and){_GAP}\d{{1,9}}){{0,20}}"
# Not before "(": that is a Markdown link. Not after a backslash: that is a bracket as such.
_SQUARE = rf"\[\[?{_GAP}{_NUMBERS}{_GAP}\]\]?"
_BROAD = rf"【{_GAP}{_NUMBERS}[^】\n]{{0,20}}】"
_GROUP = rf"(?<!\\)(?:{_SQUARE}|{_BROAD})(?!\]?\()"
_RUN = rf"{_GROUP}(?:[ \t]*[,;]?[ \t]*{_GROUP})*"
_RUN_FOUND = re.compile(rf"\({_GAP}({_RUN}){_GAP}\)|({_RUN})")
_GROUP_FOUND = re.compile(_GROUP)
# What more text could still make a group of; as long as the longest group.
_GROUP_BEGUN = re.compile(
    r"\[\[?[ \t\u00a0]?\^?[A-Za-z]{0,8} ?[\d \t\u00a0,;–undai-]{0,300}\]?|【[^】\n]{0,330}"
)
_BETWEEN_GROUPS = re.compile(r"[ \t]*[,;]?[ \t]*")
_HALF = re.compile(r"\s*[\[【][\d\s^,;–-]*$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_FENCE = re.compile(r"`{3,}|~{3,}")
_PART = re.compile(rf"(\d+)(?:{_GAP}[–-]{_GAP}(\d+))?")
_LONGEST_RANGE = 20
_ESCAPES = str.maketrans({"[": r"\[", "]": r"\]", "【": r"\[", "】": r"\]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A text in which every `[n]` outside of code is a known number; the numbers by first use."""

    text: str
    numbers: tuple[int, ...]


def cite(text: str, known: Collection[int]) -> Cited:
    """Keep the known numbers of a whole text, in one form, and drop the others.

    >>> cite("Open the app [1, 9] and log in【2†page】 [7].", {1, 2})
    Cited(text='Open the app [1] and log in[2].', numbers=(1, 2))
    """
    stream = CitationStream(known)
    whole = stream.feed(text) + stream.close()
    return Cited(text=whole, numbers=stream.used)


def unnumbered(text: str) -> str:
    r"""A source's text with its own bracketed numbers escaped: they can't pass as citations.

    >>> unnumbered("as shown [3], see `a[0]`")
    'as shown \\[3\\], see `a[0]`'
    """
    return outside_code(text, lambda prose: _GROUP_FOUND.sub(_escaped, prose))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change what is neither a code span nor a fenced block."""
    parts: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        opened = _FENCE.match(line.lstrip())
        if fence:
            parts.append(line)
            fence = "" if _closes(line.strip(), fence) else fence
        elif opened:
            parts.append(line)
            fence = opened.group()
        else:
            parts.append(_between_spans(line, change))
    return "".join(parts)


class CitationStream:
    """The same as `cite` for a text that comes in pieces, whatever the cuts between them.

    What was given out is never taken back: a word is held until it has ended, a code span until it
    is closed or its line ends.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._used: dict[int, None] = {}
        self._held = ""
        self._fence = ""
        self._begun = False
        self._gap: str | None = None

    @property
    def used(self) -> tuple[int, ...]:
        """The known numbers met so far, by first use."""
        return tuple(self._used)

    def feed(self, text: str) -> str:
        """Take the next piece; what is certain by now."""
        self._held += text
        return self._drain(last=False)

    def close(self) -> str:
        """The rest. A citation that was never finished is left out."""
        if not self._fence:
            self._held = _HALF.sub("", self._held)
        return self._drain(last=True)

    def _drain(self, *, last: bool) -> str:
        out: list[str] = []
        while (end := self._unit_end(last=last)) is not None:
            unit, self._held = self._held[:end], self._held[end:]
            out.append(self._settle(unit))
        return "".join(out)

    def _unit_end(self, *, last: bool) -> int | None:
        """Where the next unit ends: white space, then a word, its groups and code spans whole."""
        start = len(self._held) - len(self._held.lstrip())
        if start == len(self._held):
            return None
        at_line_start = not self._begun or "\n" in self._held[:start]
        if at_line_start and not self._fence and _FENCE.match(self._held, start):
            return _line_end(self._held, start, last=last)
        place: int | None = start
        while place is not None and place < len(self._held):
            if self._held[place].isspace():
                return place
            place = place + 1 if self._fence else _step(self._held, place, last=last)
        return place if last else None

    def _settle(self, unit: str) -> str:
        word = unit.lstrip()
        space = unit[: len(unit) - len(word)]
        at_line_start = not self._begun or "\n" in space
        if self._fence:
            if at_line_start and _closes(word, self._fence):
                self._fence = ""
            return self._give(space, word)
        if at_line_start and (opened := _opens_fence(word)):
            self._fence = opened
            return self._give(space, word)
        return self._give(space, _between_spans(word, self._resolved), cut=_starts_dropped(word))

    def _give(self, space: str, word: str, *, cut: bool = False) -> str:
        """The word behind its space, closing the gap that a dropped citation left."""
        if not word:
            self._gap = space if self._gap is None or "\n" in space else self._gap
            return ""
        dropped, self._gap = self._gap, None
        if dropped is not None and "\n" not in space:
            space = dropped
        if (cut or dropped is not None) and word[0] in ".,;:!?)" and "\n" not in space:
            space = ""
        space = space if self._begun else ""
        self._begun = True
        return space + word

    def _resolved(self, prose: str) -> str:
        return _RUN_FOUND.sub(self._run, prose)

    def _run(self, found: re.Match[str]) -> str:
        inner = found.group(1) or found.group(2)
        groups = _GROUP_FOUND.findall(inner)
        if any(0 in _numbers(group) for group in groups):
            # Passages are counted from 1: this is an index or an interval.
            return _GROUP_FOUND.sub(_escaped, found.group())
        valid = [n for group in groups for n in _numbers(group) if n in self._known]
        self._used.update(dict.fromkeys(valid))
        text = "".join(f"[{number}]" for number in dict.fromkeys(valid))
        return f"({text})" if text and found.group(1) else text


def _step(text: str, place: int, *, last: bool) -> int | None:
    """The place behind the next indivisible part of a word, or None where more must be seen."""
    match text[place]:
        case "\\":
            return min(place + 2, len(text))
        case "`":
            return _span_end(text, place, last=last)
        case "[" | "【":
            return _group_end(text, place, last=last)
        case _:
            return place + 1


def _span_end(text: str, place: int, *, last: bool) -> int | None:
    ticks = len(text) - place - len(text[place:].lstrip("`"))
    line = text.find("\n", place)
    closed = _CODE_SPAN.match(text, place, line if line >= 0 else len(text))
    if closed and (last or closed.end() < len(text)):
        return closed.end()
    return place + ticks if last or line >= 0 else None


def _group_end(text: str, place: int, *, last: bool) -> int | None:
    """Behind the group and what joins it to a next one; only then its neighbours are known."""
    found = _GROUP_FOUND.match(text, place)
    if found is None:
        waiting = not last and _GROUP_BEGUN.fullmatch(text, place)
        return None if waiting else place + 1
    gap = _BETWEEN_GROUPS.match(text, found.end())
    end = gap.end() if gap else found.end()
    if end == len(text):
        return found.end() if last else None
    return end if text[end] in "[【" else found.end()


def _line_end(text: str, start: int, *, last: bool) -> int | None:
    end = text.find("\n", start)
    if end >= 0:
        return end
    return len(text) if last else None


def _opens_fence(line: str) -> str:
    """The fence that the line opens; a line with a backtick in its info string opens none."""
    found = _FENCE.match(line)
    if not found or (line[0] == "`" and "`" in line[found.end() :]):
        return ""
    return found.group()


def _closes(line: str, fence: str) -> bool:
    return len(line) >= len(fence) and not line.strip(fence[0])


def _between_spans(text: str, change: Callable[[str], str]) -> str:
    parts: list[str] = []
    end = 0
    for span in _CODE_SPAN.finditer(text):
        parts += [change(text[end : span.start()]), span.group()]
        end = span.end()
    return "".join([*parts, change(text[end:])])


def _starts_dropped(word: str) -> bool:
    return bool(_RUN_FOUND.match(word))


def _numbers(group: str) -> list[int]:
    """The numbers of one group; a short range is counted out.

    >>> _numbers("[1, 3-5]")
    [1, 3, 4, 5]
    """
    numbers: list[int] = []
    for first, end in _PART.findall(group.partition("†")[0]):
        span = range(int(first), int(end or first) + 1)
        numbers += span if 0 < len(span) <= _LONGEST_RANGE else [int(first), int(end)]
    return numbers


def _escaped(found: re.Match[str]) -> str:
    return found.group().translate(_ESCAPES)
