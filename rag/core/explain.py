"""Turns what pydantic finds into what somebody who edits the file needs to read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rag.core.definitions.base import URL, URL_OR_NONE, VARIABLE
from rag.core.errors import ConfigError, near, nearest
from rag.core.places import Place, is_bare_template, place_of
from rag.core.wording import (
    FORMS,
    annotation_of,
    bare,
    in_words,
    is_definition,
    kinds,
    members,
    pattern_of,
)
from rag.core.yaml_document import YamlDocument, shown

MAX_MISTAKES = 100
# Texts of these forms may hold a secret, pasted in the place of its variable or inside of a link.
_PRIVATE = {VARIABLE, URL, URL_OR_NONE}


def explain(
    document: YamlDocument, error: ValidationError, annotation: object
) -> list[ConfigError]:
    """Every mistake with line, key, what was expected, and the nearest valid name.

    Of more than 100 in one file, the first 100 and how many more there are.
    """
    found = list(_worth_telling(document, error, annotation))
    told = [_told(document, place, detail) for place, detail in found[:MAX_MISTAKES]]
    if (rest := len(found) - MAX_MISTAKES) > 0:
        told.append(document.error(f"This file has {rest:,} more mistakes.", mend="Mend these."))
    return told


def _worth_telling(
    document: YamlDocument, error: ValidationError, annotation: object
) -> Iterator[tuple[Place, ErrorDetails]]:
    """Of a union only the member that was meant, and no mistake that follows from another."""
    found = error.errors(include_url=False, include_input=False)
    places = [(_place(document, each, annotation), each) for each in found]
    misspelt = {
        (*place.path[:-1], _meant_key(place))
        for place, detail in places[:MAX_MISTAKES]
        if detail["type"] == "extra_forbidden"
    }
    for place, detail in places:
        # Items that are wrong are missing from their list, too.
        only_seems_empty = detail["type"] == "too_short" and place.value
        follows = detail["type"] == "missing" and place.path in misspelt
        known = document.is_mistaken(place.path)
        if place.is_meant and not (only_seems_empty or follows or known):
            yield place, detail


def _place(document: YamlDocument, detail: ErrorDetails, annotation: object) -> Place:
    place = place_of(document.data, annotation, detail["loc"])
    if detail["type"].startswith("union_tag"):
        return replace(place, path=(*place.path, "kind"), value=place.value.get("kind"))
    # A validator of a whole model says itself which key it means.
    below = getattr(detail.get("ctx", {}).get("error"), "key", ())
    return replace(place, path=(*place.path, *below))


def _told(document: YamlDocument, place: Place, detail: ErrorDetails) -> ConfigError:
    words = _WORDS.get(detail["type"], _wrong_value)
    message, mend = words(document, place, detail)
    return document.error(message, place.path, mend)


# Each gives what is wrong and how to mend it.


def _unknown_key(_: YamlDocument, place: Place, __: ErrorDetails) -> tuple[str, str]:
    meant = _meant_key(place)
    known = list(place.model.model_fields) if place.model else []
    return _UNKNOWN, f"Did you mean “{meant}”?" if meant else nearest("", known)


def _meant_key(place: Place) -> str | None:
    """One of that very name among the keys one level below; else the nearest one here."""
    key = str(place.path[-1])
    fields = place.model.model_fields if place.model else {}
    for name, field in fields.items():
        for inner in members(annotation_of(field)):
            if is_definition(inner) and key in inner.model_fields:
                return f"{name}.{key}"
    return near(key, list(fields))


def _missing_key(_: YamlDocument, place: Place, __: ErrorDetails) -> tuple[str, str]:
    return _MISSING, f"Add it: {in_words(place.expected)}."


def _missing_kind(_: YamlDocument, place: Place, __: ErrorDetails) -> tuple[str, str]:
    return _MISSING, f"Add it: one of {', '.join(_all_kinds(place))}."


def _wrong_kind(document: YamlDocument, place: Place, _: ErrorDetails) -> tuple[str, str]:
    return _not_one_of(_all_kinds(place), document, replace(place, expected=None))


def _wrong_choice(document: YamlDocument, place: Place, _: ErrorDetails) -> tuple[str, str]:
    choices = [str(each) for each in get_args(bare(place.expected))]
    return _not_one_of(choices, document, place)


def _not_one_of(choices: list[str], document: YamlDocument, place: Place) -> tuple[str, str]:
    given = str(place.path[-1]) if place.in_key else document.written.get(place.path, "")
    found, mend = _found(document, place, is_private=False)
    expected = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    meant = near(given, choices)
    return f"Expected {expected}, {found}.", f"Did you mean “{meant}”?" if meant else mend


def _of_validator(_: YamlDocument, __: Place, detail: ErrorDetails) -> tuple[str, str]:
    message = detail["msg"].removeprefix("Value error, ")
    return message if message.endswith(("?", ".")) else f"{message}.", ""


def _too_long(_: YamlDocument, __: Place, detail: ErrorDetails) -> tuple[str, str]:
    most = detail["ctx"]["max_length"]
    one, many = _PARTS[detail["type"]]
    return f"Expected at most {most:,} {one if most == 1 else many}.", ""


def _empty(_: YamlDocument, place: Place, __: ErrorDetails) -> tuple[str, str]:
    return f"Expected {in_words(place.expected)}, but it is empty.", ""


def _wrong_value(document: YamlDocument, place: Place, _: ErrorDetails) -> tuple[str, str]:
    form = FORMS.get(pattern_of(place.expected) or "")
    is_private = pattern_of(place.expected) in _PRIVATE
    found, mend = _found(document, place, is_private=is_private)
    if form and (is_private or place.in_key or isinstance(place.value, str)):
        mend = form.rule
    return f"Expected {in_words(place.expected)}, {found}.", mend


def _found(document: YamlDocument, place: Place, *, is_private: bool) -> tuple[str, str]:
    """What stands there instead, and what to do about it."""
    written = shown(document.written.get(place.path, ""))
    if place.in_key:
        return f"not “{shown(str(place.path[-1]))}”", ""
    if place.value is None:
        return "but nothing stands here", _fill(place)
    if not is_private and str in members(place.expected):
        return _unquoted(place.value, written)
    if isinstance(place.value, list | dict):
        return _not_this(place.value), ""
    return "and this is none" if is_private else f"not “{written}”", ""


def _fill(place: Place) -> str:
    field = place.model.model_fields.get(str(place.path[-1])) if place.model else None
    return (
        "Write a value." if field and field.is_required() else "Write a value, or remove the key."
    )


def _not_this(value: list[Any] | dict[str, Any]) -> str:
    return "not a list" if isinstance(value, list) else "not keys with values"


def _unquoted(value: Any, written: str) -> tuple[str, str]:
    """For what YAML takes for something else than the text that was meant."""
    if is_bare_template(value):
        written = "{" + shown(next(iter(value))) + "}"
    elif isinstance(value, list | dict):
        return _not_this(value), ""
    elif isinstance(value, str):
        return f"not “{written}”", ""
    return f"and {written} without quotes is none", f'Write "{written}".'


def _all_kinds(place: Place) -> list[str]:
    return [kind for model in members(place.expected) for kind in kinds(model)]


_PARTS = {"too_long": ("entry", "entries"), "string_too_long": ("character", "characters")}
_UNKNOWN = "This key is not known."
_MISSING = "This key is missing."
_WORDS: Mapping[str, Callable[[YamlDocument, Place, ErrorDetails], tuple[str, str]]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing_key,
    "union_tag_not_found": _missing_kind,
    "union_tag_invalid": _wrong_kind,
    "literal_error": _wrong_choice,
    "value_error": _of_validator,
    "too_long": _too_long,
    "string_too_long": _too_long,
    "too_short": _empty,
    "string_too_short": _empty,
}
