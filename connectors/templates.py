"""Templates with places for the columns of a row, like `{Nummer}@{Semester}`."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

_PLACE = re.compile(r"\{([^{}\n]+)\}")

Lookup = Callable[[str], str]


def places(template: str) -> list[str]:
    """The columns that a template names.

    >>> places("{Nummer}@{Semester}")
    ['Nummer', 'Semester']
    """
    return _PLACE.findall(template)


def filled(template: str, lookup: Lookup) -> str:
    """The template with the values in their places, and nothing else changed.

    A value is never read as a template again.
    """
    return _PLACE.sub(lambda place: lookup(place[1]), template)


def filled_lines(template: str, lookup: Lookup) -> str:
    r"""Like `filled`, line by line: a line whose places are all empty is left out.

    Only a place that has a line for itself may be filled with several lines.

    >>> filled_lines("**Exam:** {exam}\n**Room:** {room}", {"exam": "", "room": "B2"}.__getitem__)
    '**Room:** B2'
    """
    return "\n".join(_kept(template, lookup)).strip()


def filled_link(template: str, lookup: Lookup) -> str:
    """Like `filled`, with the values encoded; a place that is the whole link stays as it is."""
    if _PLACE.fullmatch(template):
        return filled(template, lookup)
    return filled(template, lambda column: quote(lookup(column), safe=""))


def _kept(template: str, lookup: Lookup) -> Iterator[str]:
    for line in template.split("\n"):
        columns = places(line)
        if columns and not any(lookup(column).strip() for column in columns):
            continue
        if _PLACE.fullmatch(line.strip()):
            yield lookup(columns[0])
        else:
            yield filled(line, lambda column: " ".join(lookup(column).split()))
