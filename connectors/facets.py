"""Values of declared facets, checked against their type."""

import math
from collections.abc import Mapping, Sequence

from connectors.values import moment
from rag.core.definitions.sources import Facet, FacetType
from rag.core.errors import BadDocument, nearest
from rag.core.records import FacetValue

_TRUTHS = {
    **dict.fromkeys(("true", "yes", "ja", "wahr", "1", "x"), True),
    **dict.fromkeys(("false", "no", "nein", "falsch", "0"), False),
}
_Single = str | int | float | bool


def facet_from_texts(
    name: str, facet: Facet, texts: Sequence[str], *, decimal: str = "."
) -> FacetValue | None:
    """The typed value of what stands in a cell; None where nothing stands there.

    Raises:
        BadDocument: not of the type, or several values for a facet that has one.
    """
    values = [_single(name, facet.type, text, decimal) for text in texts]
    if facet.many:
        return tuple(dict.fromkeys(str(value) for value in values)) or None
    distinct = list(dict.fromkeys(values))
    if len(distinct) > 1:
        raise BadDocument(
            f"The facet {name} has {len(distinct)} values.", mend="Declare it with many: true."
        )
    return distinct[0] if distinct else None


def facets_from_json(
    declared: Mapping[str, Facet], values: Mapping[str, object]
) -> dict[str, FacetValue]:
    """The typed values of a JSON object; a null is no value.

    Raises:
        BadDocument: a facet that is not declared, or a value of another type.
    """
    for name in values:
        if name not in declared:
            raise BadDocument(
                f"The facet {name} is not declared.", mend=nearest(name, list(declared))
            )
    return {
        name: _from_json(name, declared[name], value)
        for name, value in values.items()
        if value is not None
    }


def _from_json(name: str, facet: Facet, value: object) -> FacetValue:
    if facet.many:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise _wrong(name, "a list of texts")
        return facet_from_texts(name, facet, value) or ()
    match facet.type:
        case "keyword" | "date" if isinstance(value, str):
            return _single(name, facet.type, value, ".")
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return _finite(name, float(value))
    raise _wrong(name, facet.type)


def _single(name: str, kind: FacetType, text: str, decimal: str) -> _Single:
    text = text.strip()
    try:
        match kind:
            case "keyword":
                return text
            case "integer":
                return int(text)
            case "number":
                return _finite(name, _number(text, decimal))
            case "boolean":
                return _TRUTHS[text.casefold()]
            case "date":
                return _day(text)
    except (ValueError, KeyError, BadDocument):
        raise _wrong(name, kind) from None


def _number(text: str, decimal: str) -> float:
    if decimal == "," and "." in text:
        raise ValueError("1.500 could be one thousand five hundred")
    return float(text.replace(decimal, "."))


def _day(text: str) -> str:
    """ISO 8601; a bare day stays one."""
    found = moment(text)
    bare = ":" not in text and "T" not in text
    return found.date().isoformat() if bare else found.isoformat()


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise _wrong(name, "a finite number")
    return value


def _wrong(name: str, kind: str) -> BadDocument:
    return BadDocument(
        f"The facet {name} is not {kind if ' ' in kind else _ARTICLE[kind]}.",
        mend="Mend the value or its column in the source's YAML.",
    )


_ARTICLE = {
    "keyword": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date",
}
