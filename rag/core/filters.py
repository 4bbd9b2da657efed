"""Typed filters over declared facets: what both engines must understand, and nothing more.

The JSON form is the `op` of each class with its fields, for example
`{"op": "range", "field": "ects", "gte": 5}`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from rag.core.errors import BadQuestion

# Only what an engine can hold: 64 bits, finite, and text that UTF-8 can carry, which a pattern has
# pydantic check.
Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Text = Annotated[str, StringConstraints(pattern="^", strict=True)]
Scalar = bool | Integer | Number | Text
_STRICT = ConfigDict(extra="forbid")
_UNKNOWN = "unexpected_keyword_argument"


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Eq:
    """The facet equals the value; a list facet contains it."""

    field: Text
    value: Scalar
    op: Literal["eq"] = "eq"


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class AnyOf:
    """The facet equals one of the values; a list facet contains one of them."""

    field: Text
    values: tuple[Scalar, ...] = Field(min_length=1)
    op: Literal["any"] = "any"


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Range:
    """The value lies between `gte` and `lte`, both included; None leaves a side open.

    Numbers for a numeric facet, ISO 8601 texts for a date; a day without a time is the whole day, a
    time without a zone is UTC.
    """

    field: Text
    gte: Number | Text | None = None
    lte: Number | Text | None = None
    op: Literal["range"] = "range"


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Not:
    """The inner filter does not hold; a record without the facet matches too."""

    filter: "Filter"
    op: Literal["not"] = "not"


@checked(frozen=True, slots=True, kw_only=True, config=_STRICT)
class And:
    """All inner filters hold; none at all holds always."""

    filters: tuple["Filter", ...] = ()
    op: Literal["and"] = "and"


Filter = Annotated[Eq | AnyOf | Range | Not | And, Field(discriminator="op")]

_FILTERS: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(tuple[Filter, ...])


def parse_filters(value: object) -> "tuple[Filter, ...]":
    """Check filters from outside.

    >>> parse_filters([{"op": "eq", "field": "ects", "value": 5}])[0].value
    5

    Raises:
        BadQuestion: not a list of filters of the forms above; says where and what was expected.
    """
    try:
        return _FILTERS.validate_python(value)
    except ValidationError as error:
        raise _explained(error) from None


_VALUE = "a text, a finite number, true or false"
_BOUND = "a finite number or a date in ISO 8601"
# Field → what it holds.
_EXPECTED = {
    "filters": "a list of filters",
    "filter": "a filter",
    "op": "one of eq, any, range, not, and",
    "field": "the name of a facet",
    "value": _VALUE,
    "values": f"a list with one or more of: {_VALUE}",
    "gte": _BOUND,
    "lte": _BOUND,
}


def _explained(error: ValidationError) -> BadQuestion:
    found = error.errors(include_url=False, include_input=False)
    # A misspelt field is also a missing one: its own name says more.
    first = next((each for each in found if each["type"] == _UNKNOWN), found[0])
    if first["msg"].startswith("Recursion"):
        return BadQuestion("The filters are nested too deeply.", mend="Write them flatter.")
    if first["type"] == _UNKNOWN:
        *above, last = first["loc"]
        message = f"{_place(above)} has an unknown field, {str(last)[:60]!r}."
        return BadQuestion(message, mend="Remove it.")
    location = [*first["loc"], "op"] if first["type"].startswith("union_tag") else first["loc"]
    place = _place(location)
    field = place.rstrip(".0123456789").rsplit(".", 1)[-1]
    is_one_of_many = place[-1].isdigit()
    expected = (
        {"filters": "a filter", "values": _VALUE}[field] if is_one_of_many else _EXPECTED[field]
    )
    return BadQuestion(f"{place}: expected {expected}.", mend="Mend the filter.")


def _place(location: Sequence[str | int]) -> str:
    """The location by fields alone: between them, pydantic names the members of unions."""
    fields = [each for each in location if isinstance(each, int) or each in _EXPECTED]
    return ".".join(str(each) for each in ("filters", *fields))


def fields_of(filters: "Filter") -> frozenset[str]:
    """The facets a filter speaks of.

    >>> sorted(fields_of(And(filters=(Eq(field="a", value=1), Not(filter=Eq(field="b", value=2))))))
    ['a', 'b']
    """
    match filters:
        case And(filters=inner):
            return frozenset().union(*(fields_of(each) for each in inner))
        case Not(filter=one):
            return fields_of(one)
        case _:
            return frozenset({filters.field})


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCount:
    """How many records carry this value."""

    value: str | float | bool
    count: int
