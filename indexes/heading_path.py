"""The heading path of a passage, within its share of the passage's tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.markdown import Heading
from indexes.ruler import Ruler
from rag.core.records import embedded_text

SHARE = 3
"""A path may take a third of a passage's tokens."""
_CUT = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A path as readers see it, and the headings of which it leaves nothing out."""

    path: tuple[str, ...]
    shown: frozenset[Heading]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    text: str
    heading: Heading | None = None


def place(title: str, headings: Sequence[Heading], ruler: Ruler) -> Place:
    """The title, then the headings; the title once, also where the page repeats it as a heading.

    Where that is too long, the headings between the first and the last are left out from the top,
    then both are cut at a word.
    """
    steps = _steps(title, headings)
    room = ruler.room // SHARE
    while len(steps) > 2 and _size(steps, ruler) > room:  # noqa: PLR2004  the first and the last
        del steps[1]
    if _size(steps, ruler) > room:
        steps = [_shortened(step, room // len(steps), ruler) for step in steps]
    shown = frozenset(each.heading for each in steps if each.heading and each.heading.is_plain)
    return Place(path=tuple(step.text for step in steps), shown=shown)


def _steps(title: str, headings: Sequence[Heading]) -> list[_Step]:
    steps = [_Step(text=heading.text, heading=heading) for heading in headings if heading.text]
    if steps and is_title(steps[0].text, title):
        return [_Step(text=title, heading=steps[0].heading), *steps[1:]]
    return [_Step(text=title), *steps] if title else steps


def is_title(text: str, title: str) -> bool:
    """Whether a heading says the same as the title."""
    return text.casefold() == title.casefold()


def _size(steps: Sequence[_Step], ruler: Ruler) -> int:
    return ruler.size(embedded_text([step.text for step in steps], ""))


def _shortened(step: _Step, room: int, ruler: Ruler) -> _Step:
    mark = ruler.size(f" {_CUT} ›")
    _, piece = next(ruler.cut(step.text, room - mark))
    return step if piece == step.text else _Step(text=f"{piece.rstrip()} {_CUT}")
