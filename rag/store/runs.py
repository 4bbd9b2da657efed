"""The memory of runs: what was synced and evaluated, when, and how it ended."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from rag.core.contracts import Run, RunKind, RunOutcome
from rag.core.errors import BadInput, NotFound
from rag.store.database import Database
from rag.store.tables import RUNS


class Runs:
    """A RunStore in the table `runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, kind: RunKind, name: str) -> Run:
        """A new run that begins now."""
        values = {"kind": kind, "name": name, "started_at": datetime.now(UTC)}
        with self._database.begin() as connection:
            row = connection.execute(insert(RUNS).values(values).returning(RUNS)).one()
        return _run(row)

    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        """The run, which ended now.

        Raises:
            NotFound: no such run was started.
            BadInput: it has ended already, or the report is not JSON.
        """
        values = {"ended_at": datetime.now(UTC), "outcome": outcome, "report": _json(report)}
        going_on = (RUNS.c.id == run.id) & RUNS.c.outcome.is_(None)
        with self._database.begin() as connection:
            ended = update(RUNS).where(going_on).values(values).returning(RUNS)
            row = connection.execute(ended).one_or_none()
            if row is None:
                raise _not_going_on(connection, run)
        return _run(row)

    def latest(self, kind: RunKind, name: str) -> Run | None:
        """The run of this kind and name that was started last, or None before the first."""
        wanted = select(RUNS).where(RUNS.c.kind == kind, RUNS.c.name == name)
        with self._database.begin() as connection:
            row = connection.execute(wanted.order_by(RUNS.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else _run(row)


def _json(report: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the report that is nothing but JSON.

    Raises:
        BadInput: it holds what JSON can't: NaN, a date, an object, a key that is no text.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(report), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BadInput(f"The report is not JSON: {error}.", mend="Make it plain values.") from None
    if copy != dict(report):
        raise BadInput(
            "The report is not JSON: it changes on the way.", mend="Make it plain values."
        )
    return copy


def _not_going_on(connection: Connection, run: Run) -> BadInput | NotFound:
    known = connection.execute(select(RUNS.c.id).where(RUNS.c.id == run.id)).one_or_none()
    if known is None:
        return NotFound(f"There is no run {run.id}.", mend="Start it first.")
    return BadInput(f"Run {run.id} has already ended.", mend="Start a new one.")


def _run(row: Row[Any]) -> Run:
    return Run(**row._mapping)  # noqa: SLF001 -- SQLAlchemy's documented way to the columns by name
