"""Puts units together to passages of like size."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil

from indexes.ruler import Ruler
from indexes.units import Unit, written

Fits = Callable[[str], bool]


def packed(units: Sequence[Unit], room: int, ruler: Ruler, fits: Fits) -> Iterator[list[Unit]]:
    """Runs of units in order: about as few as can be, and of about one size.

    Sizes are added up as estimates against `room`; `fits` has the last word on the written run.
    """
    rest = list(units)
    costs = _costs(rest, ruler)
    start, left = 0, sum(costs)
    while start < len(rest):
        end = _fitting(rest, start, _end(costs, start, room, left), fits)
        if end == start and len(smaller := _halved(rest[start], ruler)) > 1:
            rest[start : start + 1] = smaller
            costs[start : start + 1] = _costs(smaller, ruler)
            continue
        end = _before_leads(rest, costs, start, max(end, start + 1), room)
        yield rest[start:end]
        left -= sum(costs[start:end])
        start = end


def _costs(units: Sequence[Unit], ruler: Ruler) -> list[int]:
    costs = []
    for before, unit in pairwise([None, *units]):
        assert unit is not None
        cost = ruler.size(unit.text)
        if before is None or before.frame is not unit.frame:
            cost += ruler.size(unit.frame.around("")) + ruler.gap
        costs.append(cost)
    return costs


def _end(costs: Sequence[int], start: int, room: int, left: int) -> int:
    """Where the next run ends, if what is left is to be divided evenly."""
    share = left / max(1, ceil(left / room))
    end, filled = start + 1, costs[start]
    while end < len(costs):
        if filled + costs[end] > room or filled + costs[end] / 2 > share:
            break
        filled += costs[end]
        end += 1
    return end


def _fitting(units: Sequence[Unit], start: int, end: int, fits: Fits) -> int:
    """The last end, up to the one given, with which the run fits; the start if none does."""
    if fits(written(units[start:end])):
        return end
    return start + bisect_left(
        range(start + 1, end), x=True, key=lambda cut: not fits(written(units[start:cut]))
    )


def _before_leads(
    units: Sequence[Unit], costs: Sequence[int], start: int, end: int, room: int
) -> int:
    """An earlier end, if the run's last units lead and there is room for them before the next."""
    cut = end
    while start < cut < len(units) and units[cut - 1].leads and costs[cut - 1] + costs[cut] <= room:
        cut -= 1
    return cut if cut > start else end


def _halved(unit: Unit, ruler: Ruler) -> list[Unit]:
    """For a tokenizer whose counts don't add up: the unit in smaller pieces, if it has any."""
    room = ruler.size(unit.text) // 2
    return [
        replace(unit, text=piece, gap=gap if place else unit.gap)
        for place, (gap, piece) in enumerate(ruler.cut(unit.text, room))
    ]
