"""The smallest parts that a passage is put together from, and how a run of them is written."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from indexes.markdown import Block, blocks, items, unquoted
from indexes.ruler import Ruler
from indexes.sentences import sentences

DEEPEST = 8
"""Lists and quotes that are nested deeper are taken line by line."""
_TABLE_HEAD = 2
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """What every part of a divided block repeats: a table's head, a fence, the marks of a quote.

    Compared by identity: units of one frame belong to one block.
    """

    head: str = ""
    tail: str = ""
    prefix: str = ""

    def around(self, body: str) -> str:
        """The body as a block that stands by itself."""
        whole = "\n".join(part for part in (self.head, body, self.tail) if part)
        return "\n".join(self.prefix + line for line in whole.split("\n")) if self.prefix else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A whole block; or a row, line, item or sentence of one that is too long for one passage.

    `gap` is the white space between it and the unit before it, if that is of the same frame.
    A unit that leads, a heading or «… as follows:», belongs to the one behind it.
    """

    text: str
    frame: Frame
    gap: str = ""
    anchor: str = ""
    leads: bool = False


def written(units: Iterable[Unit]) -> str:
    """A run of units as Markdown."""
    return "\n\n".join(
        frame.around(_joined(list(run))) for frame, run in groupby(units, lambda unit: unit.frame)
    )


def _joined(run: Sequence[Unit]) -> str:
    return run[0].text + "".join(unit.gap + unit.text for unit in run[1:])


def units_of(block: Block, room: int, ruler: Ruler, depth: int = 0) -> list[Unit]:
    """The block as one unit, or as units of at most `room` tokens each."""
    if ruler.size(block.source) <= room:
        leads = block.kind == "text" and block.source.endswith(":")
        return [Unit(text=block.source, frame=Frame(), leads=leads)]
    lines = block.source.split("\n")
    units: Iterable[Unit]
    match block.kind if depth < DEEPEST else "lines":
        case "text":
            units = _cut(sentences(block.source), Frame(), room, ruler)
        case "table":
            head = Frame(head="\n".join(lines[:_TABLE_HEAD]))
            units = _framed(head, lines[_TABLE_HEAD:], room, ruler)
        case "code":
            units = _fenced(lines, room, ruler)
        case "list":
            units = _listed(block.source, room, ruler, depth + 1)
        case "quote":
            units = _quoted(block.source, room, ruler, depth + 1)
        case _:
            units = _framed(Frame(), lines, room, ruler)
    return list(units)


def _cut(parts: Iterable[tuple[str, str]], frame: Frame, room: int, ruler: Ruler) -> Iterator[Unit]:
    left = room - ruler.size(frame.around(""))
    for gap, part in parts:
        for place, (space, piece) in enumerate(ruler.cut(part, left)):
            yield Unit(text=piece, frame=frame, gap=space if place else gap)


def _framed(frame: Frame, lines: Sequence[str], room: int, ruler: Ruler) -> Iterator[Unit]:
    if 2 * ruler.size(frame.around("")) > room:
        # A head of half a passage is not worth repeating.
        lines = [*frame.head.split("\n"), *lines, *filter(None, [frame.tail])]
        frame = Frame()
    return _cut((("\n", line) for line in lines), frame, room, ruler)


def _fenced(lines: Sequence[str], room: int, ruler: Ruler) -> Iterator[Unit]:
    opening = _FENCE.match(lines[0])
    fence = opening[1] if opening else "```"
    is_closed = len(lines) > 1 and lines[-1].strip().startswith(fence)
    body = lines[1:-1] if is_closed else lines[1:]
    frame = Frame(head=lines[0], tail=lines[-1] if is_closed else fence)
    return _framed(frame, body, room, ruler)


def _listed(source: str, room: int, ruler: Ruler, depth: int) -> Iterator[Unit]:
    frame = Frame()
    gap = ""
    for item in items(source):
        if ruler.size(item.source) <= room:
            yield Unit(text=item.source, frame=frame, gap=gap)
        else:
            left = room - ruler.size(item.marker)
            yield from _marked(item.marker, _inner(item.inner, left, ruler, depth))
        gap = "\n\n" if item.is_followed_by_blank else "\n"


def _marked(marker: str, units: Sequence[Unit]) -> Iterator[Unit]:
    first = units[0]
    if first.frame.head or first.frame.prefix:
        # The mark would become a part of the code, or stand on the wrong side of the quote's.
        yield Unit(text=marker, frame=Frame(), leads=True)
        yield first
    else:
        yield replace(first, text=f"{marker} {first.text}")
    yield from units[1:]


def _quoted(source: str, room: int, ruler: Ruler, depth: int) -> list[Unit]:
    mark = ruler.size("> ")
    frames: dict[Frame, Frame] = {}
    units = _inner(unquoted(source), room - mark, ruler, depth)
    for unit in units:
        inner = unit.frame
        frames.setdefault(inner, replace(inner, prefix="> " + inner.prefix))
    return [replace(unit, frame=frames[unit.frame]) for unit in units]


def _inner(source: str, room: int, ruler: Ruler, depth: int) -> list[Unit]:
    """The units of what a list item or a quote holds, at least one."""
    parts = blocks(source) or [Block(kind="lines", source=source)]
    return [unit for part in parts for unit in units_of(part, room, ruler, depth)]
