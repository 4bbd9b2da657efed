"""What a definition expects, in words: for mistakes and for the reference of all keys."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from rag.core.definitions.base import (
    FIELD_NAME,
    LABEL,
    NAME,
    PREFIX,
    SHA256,
    URL,
    URL_OR_NONE,
    VARIABLE,
    Definition,
)

_FEW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a text must look: what it is called, by one and by many, and the rule."""

    one: str
    many: str
    rule: str


FORMS = {
    NAME: Form(
        one="a name",
        many="names",
        rule="A name has lower-case letters, digits and hyphens, such as it-support.",
    ),
    LABEL: Form(
        one="a label",
        many="labels",
        rule="A label has lower-case letters, digits and : . _ -, such as staff or group:hpc.",
    ),
    FIELD_NAME: Form(
        one="a facet name",
        many="facet names",
        rule="It has lower-case letters, digits and underscores, and begins with a letter.",
    ),
    VARIABLE: Form(
        one="the name of an environment variable",
        many="names of environment variables",
        rule="It has capital letters, digits and underscores, such as LLM_API_KEY. Keep the secret "
        "itself out of the file.",
    ),
    URL: Form(
        one="a web address", many="web addresses", rule="It begins with https:// or http://."
    ),
    URL_OR_NONE: Form(
        one="a web address", many="web addresses", rule="It begins with https:// or http://."
    ),
    PREFIX: Form(
        one="a prefix",
        many="prefixes",
        rule="It has lower-case letters, digits, hyphens and underscores.",
    ),
    SHA256: Form(
        one="a SHA-256 digest", many="SHA-256 digests", rule="It has 64 digits from 0 to f."
    ),
}

_SCALARS: dict[object, tuple[str, str]] = {
    str: ("a text", "texts"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "truth values"),
    Path: ("a path", "paths"),
}

ModelWords = Callable[[list[type[Definition]]], tuple[str, str]]


def in_words(annotation: object, models: ModelWords | None = None) -> str:
    """What the annotation expects, with its article; `models` says what definitions are called.

    >>> in_words(tuple[int, ...] | None)
    'a list of whole numbers'
    """
    return _words(annotation, models or _by_keys)[0]


def bare(annotation: object) -> object:
    """The annotation without None and without constraints.

    >>> bare(Annotated[int, "≥ 1"] | None)
    <class 'int'>
    """
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if is_union(annotation) and len(rest := _without_none(annotation)) == 1:
        return bare(rest[0])
    return annotation


def is_union(annotation: object) -> bool:
    """Whether it is X | Y, in either way to write it."""
    return get_origin(annotation) in {Union, UnionType}


def members(annotation: object) -> list[Any]:
    """The members of a union without None; of everything else, itself."""
    plain = bare(annotation)
    return [bare(each) for each in _without_none(plain)] if is_union(plain) else [plain]


def pattern_of(annotation: object) -> str | None:
    """The pattern that a text must match."""
    patterns = (getattr(each, "pattern", None) for each in _constraints(annotation))
    return next((each for each in patterns if each), None)


def annotation_of(field: FieldInfo) -> object:
    """The annotation of a field together with its constraints."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def is_definition(annotation: object) -> TypeGuard[type[Definition]]:
    """Whether it is one of our models."""
    return isinstance(annotation, type) and issubclass(annotation, Definition)


def kinds(model: type[Definition]) -> tuple[str, ...]:
    """The values of `kind` that choose this model; none where there is no such key."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field else ()


def _without_none(annotation: object) -> list[object]:
    return [each for each in get_args(annotation) if each is not NoneType]


def _words(annotation: object, models: ModelWords) -> tuple[str, str]:
    plain = bare(annotation)
    if pattern := pattern_of(annotation):
        return FORMS[pattern].one, FORMS[pattern].many
    if plain in _SCALARS:
        one, many = _SCALARS[plain]
        return one + (bounds := _bounds(list(_constraints(annotation)))), many + bounds
    if get_origin(plain) is Literal:
        choices = [each if each.isalnum() else f"“{each}”" for each in map(str, get_args(plain))]
        one = ", ".join(choices) if len(choices) == 1 else f"one of {', '.join(choices)}"
        return one, " or ".join(choices)
    if get_origin(plain) in {tuple, list}:
        many = _words(get_args(plain)[0], models)[1]
        return f"a list of {many}", f"lists of {many}"
    if get_origin(plain) is dict:
        keys, values = (_words(each, models)[1] for each in get_args(plain))
        return f"a mapping of {keys} to {values}", f"mappings of {keys} to {values}"
    return _union_words(plain, models)


def _union_words(annotation: object, models: ModelWords) -> tuple[str, str]:
    parts = members(annotation)
    words = [_words(each, models) for each in parts if not is_definition(each)]
    if definitions := [each for each in parts if is_definition(each)]:
        words.append(models(definitions))
    return " or ".join(one for one, _ in words), " or ".join(many for _, many in words)


def _by_keys(models: list[type[Definition]]) -> tuple[str, str]:
    if len(models) > 1:
        choices = ", ".join(each for model in models for each in kinds(model))
        return f"keys, among them kind: {choices}", "entries with their own kind"
    names = list(models[0].model_fields)
    listed = ", ".join(names[:_FEW]) + (", …" if len(names) > _FEW else "")
    return f"the key{'s' if len(names) > 1 else ''} {listed}", f"entries with {listed}"


def _constraints(annotation: object) -> Iterator[object]:
    """Everything that Annotated carries, also inside of X | None."""
    if get_origin(annotation) is Annotated:
        inner, *carried = get_args(annotation)
        yield from _constraints(inner)
        for each in carried:
            yield from getattr(each, "metadata", [each])
    elif is_union(annotation) and len(rest := _without_none(annotation)) == 1:
        yield from _constraints(rest[0])


def _bounds(constraints: list[object]) -> str:
    """The bounds of a number.

    >>> from annotated_types import Ge, Le
    >>> _bounds([Ge(1), Le(50)])
    ' from 1 to 50'
    """
    found = {
        name: value
        for each in constraints
        for name in ("ge", "gt", "le")
        if (value := getattr(each, name, None)) is not None
    }
    low, above, high = (found.get(name) for name in ("ge", "gt", "le"))
    if high is None:
        at_least = "" if low is None else f" of at least {low:,}"
        return at_least if above is None else f" above {above:,}"
    if above is not None:
        return f" above {above:,}, up to {high:,}"
    return f" of at most {high:,}" if low is None else f" from {low:,} to {high:,}"
