"""A row of a catalogue, whatever format it came in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rag.core.errors import BadDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: `data` by column, or the problem that kept it from being read.

    `place` says where it stands in its file.
    """

    place: str
    data: Mapping[str, object] = field(default_factory=dict)
    problem: BadDocument | None = None

    def values(self, column: str) -> tuple[str, ...]:
        """The texts behind a column or a dotted path, each once, in their order, none empty.

        A path goes through lists to every member.

        >>> Row(place="", data={"a": [{"b": "x"}, {"b": ["y", "x"]}]}).values("a.b")
        ('x', 'y')

        Raises:
            BadDocument: the path ends at an object.
        """
        if column in self.data:
            found = _texts(self.data[column], ())
        else:
            found = _texts(self.data, tuple(column.split(".")))
        return tuple(dict.fromkeys(text for text in found if text))

    def text(self, column: str) -> str:
        """The values as one text."""
        return ", ".join(self.values(column))


def _texts(value: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each, path)
    elif isinstance(value, Mapping):
        if not path:
            raise BadDocument("An object stands where a value should.", mend="Name its field.")
        yield from _texts(value.get(path[0]), path[1:])
    elif value is not None and not path:
        yield str(value).lower() if isinstance(value, bool) else str(value).strip()
