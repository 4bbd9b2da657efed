"""The questions of an evaluation, as JSON Lines.

One object a line:

| Field | | |
|---|---|---|
| `id` | needed | names the case in reports; unique over all files of the evaluation |
| `question` | needed | what the person asks |
| `language` | needed | `de` or `en`: what the person speaks; the bot is not told |
| `labels` | needed | what the person may see |
| `history` | `[]` | earlier turns, `{"role": "user" or "assistant", "text": …}` |
| `relevant` | `[]` | ids of the records that answer it; none where it must be refused |
| `reference` | `null` | a good answer |
| `must_refuse` | `false` | whether the right answer is none |
| `expect_filters` | `[]` | the filters that the question states, as in `rag.core.filters` |
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from rag.core.answers import Turn
from rag.core.definitions.base import Label, Language
from rag.core.errors import BadInput, nearest
from rag.core.filters import Filter

_LINE_BYTES = 1_000_000
_Said = Annotated[str, StringConstraints(pattern=r"\S")]
_RecordId = Annotated[str, StringConstraints(pattern=r"^[^:]+:.+$")]


@checked(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Case:
    """One question, and what a good bot does with it. The module's docstring says it by field."""

    id: Annotated[str, StringConstraints(pattern=r"^\S{1,100}$")]
    question: _Said
    language: Language
    labels: frozenset[Label]
    history: tuple[Turn, ...] = ()
    relevant: frozenset[_RecordId] = frozenset()
    reference: str | None = None
    must_refuse: bool = False
    expect_filters: tuple[Filter, ...] = ()


_CASE = TypeAdapter(Case)
_FIELDS = [field.name for field in fields(Case)]
_UNKNOWN = "unexpected_keyword_argument"
_MENDS = {
    "id": "Name it with up to 100 characters and no space.",
    "question": "Write what the person asks.",
    "relevant": "Write ids of records: source:key.",
    "expect_filters": "A filter is one of eq, any, range, not, and.",
}


def read_cases(files: Sequence[Path]) -> tuple[Case, ...]:
    """Every case, in the order of files and lines; empty lines are passed over.

    Raises:
        BadInput: a file can't be read, a line is no case, an id comes twice, or there is no case.
    """
    places: dict[str, str] = {}
    cases: list[Case] = []
    for file in files:
        for number, line in _lines(file):
            place = f"{file}:{number}"
            case = _case(line, place)
            if case.id in places:
                raise BadInput(
                    f"{place}: the id “{case.id}” is taken by {places[case.id]}.",
                    mend="Give every case an id of its own.",
                )
            places[case.id] = place
            cases.append(case)
    if not cases:
        named = ", ".join(str(file) for file in files)
        raise BadInput(f"There is no case in {named}.", mend="Write one JSON object a line.")
    return tuple(cases)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with file.open("rb") as stream:
            while line := stream.readline(_LINE_BYTES + 1):
                number += 1
                if len(line) > _LINE_BYTES:
                    raise BadInput(
                        f"{file}:{number}: the line is longer than {_LINE_BYTES:,} bytes.",
                        mend="A case is one JSON object on one line; is this a file of cases?",
                    )
                text = line.removeprefix(BOM_UTF8) if number == 1 else line
                if text.strip():
                    yield number, text
    except OSError as error:
        raise BadInput(
            f"{file} can't be read: {error.strerror}.", mend="Mend the path or the rights."
        ) from None


def _case(line: bytes, place: str) -> Case:
    try:
        case = _CASE.validate_json(line)
    except ValidationError as error:
        raise _explained(error, place) from None
    if case.must_refuse and case.relevant:
        raise BadInput(
            f"{place}: must_refuse is true, yet there are relevant records.",
            mend="Name no record where the right answer is none.",
        )
    return case


def _explained(error: ValidationError, place: str) -> BadInput:
    found = error.errors(include_url=False, include_input=False)
    # A misspelt field is also a missing one: its own name says more.
    first = next((each for each in found if each["type"] == _UNKNOWN), found[0])
    path = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "json_invalid":
            said = first["msg"].replace("at line 1 column", "at column")
            return BadInput(f"{place}: {said}.", mend="Write one JSON object a line.")
        case "dataclass_type" if not path:
            return BadInput(f"{place}: not a JSON object.", mend="Write one JSON object a line.")
        case "unexpected_keyword_argument":
            return BadInput(f"{place}: {path}: this field is not known.", mend=_known(first["loc"]))
        case "missing":
            return BadInput(f"{place}: {path}: this field is missing.", mend="Add it.")
        case _:
            mend = _MENDS.get(str(first["loc"][0]), "Mend the value.")
            return BadInput(f"{place}: {path}: {first['msg']}.", mend=mend)


def _known(location: tuple[int | str, ...]) -> str:
    if len(location) == 1:
        return nearest(str(location[0]), _FIELDS)
    return "Take it out."
