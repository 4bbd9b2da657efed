"""One database, SQLite or PostgreSQL, at the newest schema."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from rag.core.errors import BadInput, Unavailable
from rag.store.failures import named
from rag.store.tables import METADATA, VERSION_TABLE

_DRIVERS = ("sqlite", "postgresql", "postgresql+psycopg")
_WAIT = 30  # Seconds that a lock is waited for; a migration of today's size takes one.
_CONNECT = 10  # Seconds until a PostgreSQL server must have answered.
# Names the lock under which one process migrates a PostgreSQL database while the others wait.
_MIGRATION_LOCK = 0x63616D707573


class Database:
    """A database that was opened; its transactions end with the context that began them."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it is durable when the context ends, or none.

        Raises:
            Busy: somebody else holds a lock for too long.
            RetryLater: the server is away, or the disk is full or failing.
            BadInput: this user may not write there, or a value can't be stored.
            Damaged: the file is not what was written.
        """
        with named(self._place), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()


def sqlite_url(file: Path) -> str:
    """The URL of a database in a file."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def open_database(url: str, *, wait: float = _WAIT) -> Database:
    """Open a database, create it where there is none, and bring its schema up to date.

    Any number of processes may do so at once; a process that dies in the middle leaves the old
    schema. `wait` is how long a lock is waited for, in seconds.

    Raises:
        BadInput: the URL, the right to write, or a schema that is newer than ours or foreign.
        Unavailable: the driver is not installed.
        Busy: somebody else holds a lock for too long.
        RetryLater: the server is away, or the disk is full or failing.
        Damaged: the file is not a database.
    """
    parsed = _parse(url)
    place = _place(parsed)
    engine = _sqlite(parsed, wait) if _is_sqlite(parsed) else _postgresql(parsed)
    database = Database(engine, place)
    try:
        with database.begin() as connection:
            _lock(connection, wait)
            _upgrade(connection, place)
        if _is_sqlite(parsed):
            with named(place):
                _write_ahead(engine, wait)
    except BaseException:
        database.close()
        raise
    return database


def _parse(url: str) -> URL:
    mend = "Use sqlite:////folder/file.sqlite or postgresql+psycopg://user:password@host/database."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The URL may hold a password: it is not repeated, nor is what the parser says about it.
        raise BadInput("The database's URL is not one.", mend=mend) from None
    if parsed.drivername not in _DRIVERS:
        raise BadInput(f"The database “{parsed.drivername}” is not supported.", mend=mend)
    if not parsed.database or parsed.database.startswith((":memory:", "file:")):
        raise BadInput("The database's URL names no file or database.", mend=mend)
    return parsed


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _place(url: URL) -> str:
    if _is_sqlite(url):
        return f"The database {url.database}"
    return f"The database “{url.database}” on {url.host or 'this machine'}"


def _sqlite(url: URL, wait: float) -> Engine:
    _make_folder(url)
    engine = create_engine(url, connect_args={"timeout": wait})
    # Python's driver begins transactions by rules of its own and commits before a CREATE TABLE:
    # with None it keeps out, and every transaction is the one that is begun here. IMMEDIATE takes
    # the write lock at once, because a reader who becomes a writer is not waited for.
    event.listen(engine, "connect", _begin_nothing)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _make_folder(url: URL) -> None:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"The folder {folder} can't be made: {error.strerror}.",
            mend="Name another place for the database.",
        ) from None


def _begin_nothing(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL) -> Engine:
    url = url.set(drivername="postgresql+psycopg")
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(_CONNECT)})
    try:
        return create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise Unavailable(
            "PostgreSQL's driver is not installed.", mend="pip install 'campus-rag[postgresql]'"
        ) from None


def _lock(connection: Connection, wait: float) -> None:
    """Let one process at a time look at the schema; SQLite's transaction has the lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {int(wait * 1000)}"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})


def _upgrade(connection: Connection, place: str) -> None:
    config = Config()
    migrations = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", migrations.replace("%", "%%"))
    _check_ours(connection, ScriptDirectory.from_config(config), place)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _check_ours(connection: Connection, scripts: ScriptDirectory, place: str) -> None:
    """Refuse a schema that a newer program wrote, or somebody else."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    stands_at = set(context.get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    if stands_at - known:
        raise BadInput(
            f"{place} was written by a newer version of this program.",
            mend="Install that version again, or name another database.",
        )
    foreign = set(inspect(connection).get_table_names()) & set(METADATA.tables)
    if not stands_at and foreign:
        raise BadInput(
            f"{place} already has a table “{min(foreign)}” of another program.",
            mend="Name another database.",
        )


def _write_ahead(engine: Engine, wait: float) -> None:
    """Switch to write-ahead logging: readers and the writer no longer wait for each other.

    The mode stays with the file. SQLite does not wait for the lock that the switch needs, so that
    waiting is done here.
    """
    give_up = time.monotonic() + wait
    while True:
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()
