"""What a database says, as an error of the house.

SQLite names its errors (sqlite.org/rescode.html), PostgreSQL numbers them
(postgresql.org/docs/current/errcodes-appendix.html); both by prefix here, the longest first.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rag.core.errors import BadInput, Busy, Damaged, RagError, RetryLater

_Rule = tuple[type[RagError], str, str]

_LOCKED: _Rule = (Busy, "is locked", "Wait until the other process is done, then try again.")
_FULL: _Rule = (RetryLater, "has no space left", "Free space on its disk, then try again.")
_READ_ONLY: _Rule = (
    BadInput,
    "can't be written",
    "Give this user the right to write there, or name another database.",
)
_BROKEN: _Rule = (
    Damaged,
    "is damaged or not a database",
    "Restore it from a backup, or move it away: a new one is made.",
)
_DISK: _Rule = (RetryLater, "can't be read or written", "Check its disk, then try again.")
_AWAY: _Rule = (RetryLater, "does not answer", "Check that the server runs, then try again.")
_NO_ENTRY: _Rule = (
    RetryLater,
    "lets nobody in",
    "Check that the server runs, and the URL's host, port, database, user and password.",
)
_VALUE: _Rule = (BadInput, "can't hold a value", "Mend the value.")

_SQLITE: Mapping[str, _Rule] = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_CORRUPT": _BROKEN,
    "SQLITE_NOTADB": _BROKEN,
    "SQLITE_IOERR": _DISK,
}
_POSTGRESQL: Mapping[str, _Rule] = {
    "08": _AWAY,
    "22": _VALUE,
    "25006": _READ_ONLY,
    "40": _LOCKED,
    "42501": _READ_ONLY,
    "53100": _FULL,
    "53": _AWAY,
    "55P03": _LOCKED,
    "57": _AWAY,
    "58": _DISK,
    "XX001": _BROKEN,
    "XX002": _BROKEN,
}
# What the driver finds by itself has no number: a connection that never stood, a NUL in a text.
_PSYCOPG: Mapping[str, _Rule] = {"OperationalError": _NO_ENTRY, "DataError": _VALUE}


@contextmanager
def named(place: str) -> Iterator[None]:
    """Let nothing out but errors of the house, and bugs. `place` names the database.

    Raises:
        Busy: somebody else holds a lock for too long.
        RetryLater: the server is away, or the disk is full or failing.
        BadInput: this user may not write there, or a value can't be stored.
        Damaged: the file is not what was written.
    """
    try:
        yield
    except PoolTimeout:
        raise Busy(f"{place}: every connection is taken.", mend="Try again.") from None
    except sqlite3.Error as error:
        rule = _rule(error)
        if rule is None:
            raise
        raise _told(rule, place, error) from error
    except DBAPIError as error:
        rule = _AWAY if error.connection_invalidated else _rule(error.orig)
        if rule is None:
            raise
        raise _told(rule, place, error.orig) from error


def _told(rule: _Rule, place: str, error: BaseException | None) -> RagError:
    """The driver's own first line; never the statement, whose values may be private."""
    kind, what, mend = rule
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return kind(f"{place} {what}: {said}.", mend=mend)


def _rule(error: BaseException | None) -> _Rule | None:
    sqlite_name = getattr(error, "sqlite_errorname", None)
    if sqlite_name is not None:
        return _longest(_SQLITE, sqlite_name)
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return _longest(_POSTGRESQL, state)
    return _PSYCOPG.get(type(error).__name__)


def _longest(rules: Mapping[str, _Rule], code: str) -> _Rule | None:
    fitting = [prefix for prefix in rules if code.startswith(prefix)]
    return rules[max(fitting, key=len)] if fitting else None
