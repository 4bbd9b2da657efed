"""Rows of a JSON export: a list somewhere inside the file."""

import json
from collections.abc import Mapping, Sequence

from connectors.rows import Row
from rag.core.errors import BadDocument, BadInput, nearest


def json_rows(data: bytes, at: str, columns: Sequence[str]) -> list[Row]:
    """The members of the list at the dotted path, in their order.

    Raises:
        BadInput: not JSON, no list is there, or no member has one of the columns.
    """
    rows = [_row(number, item) for number, item in enumerate(_list_at(_loaded(data), at), 1)]
    _check_paths(rows, columns)
    return rows


def _row(number: int, item: object) -> Row:
    if isinstance(item, dict):
        return Row(place=f"item {number}", data=item)
    problem = BadDocument("This is no object.", mend="Mend the export.")
    return Row(place=f"item {number}", problem=problem)


def _loaded(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refused)
    except UnicodeDecodeError as error:
        raise BadInput(f"Byte {error.start} is not UTF-8.", mend="Write it as UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadInput(
            f"Line {error.lineno} is not valid JSON: {error.msg}.", mend="Export it again."
        ) from None
    except (ValueError, RecursionError):
        raise BadInput("This is not valid JSON.", mend="Export it again.") from None


def _check_paths(rows: Sequence[Row], paths: Sequence[str]) -> None:
    """See that each path exists somewhere; below a value that is always empty, nobody can know."""
    names = _names([row.data for row in rows if row.problem is None])
    for path in paths:
        below: tuple[str, ...] = ()
        for part in path.split("."):
            known = names.get(below)
            if known is not None and part not in known:
                raise BadInput(
                    f"No row has the column {path}.",
                    mend=nearest(".".join((*below, part)), [".".join((*below, x)) for x in known]),
                )
            below = (*below, part)


def _names(values: Sequence[object]) -> dict[tuple[str, ...], set[str]]:
    """The names of fields by the path of the objects that have them."""
    found: dict[tuple[str, ...], set[str]] = {}
    pending: list[tuple[tuple[str, ...], object]] = [((), value) for value in values]
    while pending:
        path, value = pending.pop()
        if isinstance(value, list):
            pending += [(path, each) for each in value]
        elif isinstance(value, Mapping):
            found.setdefault(path, set()).update(value)
            pending += [((*path, name), each) for name, each in value.items()]
    return found


def _list_at(value: object, at: str) -> list[object]:
    for part in at.split(".") if at else []:
        value = value.get(part) if isinstance(value, dict) else None
    if not isinstance(value, list):
        place = f"at {at}" if at else "at the top"
        raise BadInput(f"There is no list {place} of the file.", mend="Mend records_at.")
    return value


def _refused(constant: str) -> None:
    raise ValueError(constant)
