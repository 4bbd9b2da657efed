"""Where a mistake lies: pydantic's location of it, followed through a definition."""

from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from rag.core.definitions.base import Definition
from rag.core.wording import annotation_of, bare, is_definition, is_union, kinds, members
from rag.core.yaml_document import KeyPath

_KEY = "[key]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a file, and what the definition has to say about it.

    `path` is the place as the file writes it, `value` what stands there. `expected` is its
    annotation, None for an unknown key; `model` is the definition that holds, or lacks, its last
    key. `in_key`: the key itself is wrong. `is_meant` is False where another member of a union
    fits better what stands in the file.
    """

    path: KeyPath
    value: Any
    expected: object
    model: type[Definition] | None = None
    in_key: bool = False
    is_meant: bool = True


def place_of(data: Any, annotation: object, location: tuple[str | int, ...]) -> Place:
    """Follow the location. The steps that pydantic adds for unions stand in no file."""
    return _follow(Place(path=(), value=data, expected=annotation), location)


def is_bare_template(value: Any) -> bool:
    """Whether somebody wrote {Title} without quotes: YAML reads a mapping without a value.

    >>> is_bare_template({"Title": None})
    True
    """
    return isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None


def _follow(place: Place, location: tuple[str | int, ...]) -> Place:
    if not location:
        return place
    part, rest = location[0], location[1:]
    plain = bare(place.expected)
    if is_union(plain):
        return _follow(_choose(place, plain, str(part), is_last=not rest), rest)
    inner = replace(
        place,
        path=(*place.path, part),
        value=_value(place.value, part),
        expected=_inner(plain, part),
        model=plain if is_definition(plain) else None,
    )
    if rest == (_KEY,):
        return replace(inner, expected=get_args(plain)[0], in_key=True)
    return _follow(inner, rest)


def _choose(place: Place, union: object, step: str, *, is_last: bool) -> Place:
    """One member of the union; at the end of the way, all of them are expected."""
    options = members(union)
    tagged = [each for each in options if is_definition(each) and step in kinds(each)]
    if tagged:
        return replace(place, expected=tagged[0])
    named = [each for each in options if step.startswith((get_origin(each) or each).__name__)]
    is_mapping = isinstance(place.value, dict) and not is_bare_template(place.value)
    is_meant = any(is_definition(each) == is_mapping for each in named)
    return replace(
        place, expected=union if is_last else named[0], is_meant=place.is_meant and is_meant
    )


def _inner(annotation: Any, part: str | int) -> object:
    if is_definition(annotation):
        field = annotation.model_fields.get(str(part))
        return None if field is None else annotation_of(field)
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _value(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None
