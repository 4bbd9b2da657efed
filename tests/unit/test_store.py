"""The database of runs: made, upgraded, and what goes wrong with it."""

import multiprocessing
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from rag.core.errors import BadInput, Busy, Damaged, RagError, RetryLater
from rag.store.database import Database, open_database, sqlite_url
from rag.store.failures import named
from rag.store.runs import Runs
from rag.store.tables import METADATA, RUNS, VERSION_TABLE

NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "runs.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    opened = open_database(sqlite_url(file))
    yield opened
    opened.close()


def rows(file: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def change(file: Path, script: str) -> None:
    connection = sqlite3.connect(file)
    try:
        connection.executescript(script)
    finally:
        connection.close()


def test_an_empty_place_becomes_a_database(database: Database, file: Path) -> None:
    assert rows(file, f"SELECT * FROM {VERSION_TABLE}") == [("0001",)]
    assert rows(file, "PRAGMA journal_mode") == [("wal",)]


def test_opening_again_keeps_everything(database: Database, file: Path) -> None:
    run = Runs(database).start("sync", "it")
    database.close()
    again = open_database(sqlite_url(file))
    assert Runs(again).latest("sync", "it") == run
    again.close()


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def test_the_comparison_of_tables_can_fail(database: Database) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN report")
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        (difference,) = compare_metadata(context, METADATA)
        assert difference[0] == "add_column"


def test_a_transaction_that_breaks_leaves_nothing(database: Database) -> None:
    runs = Runs(database)

    def break_off() -> None:
        values = {"kind": "sync", "name": "it", "started_at": datetime.now().astimezone()}
        with database.begin() as connection:
            connection.execute(insert(RUNS).values(values))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert runs.latest("sync", "it") is None


def test_a_time_without_zone_is_a_bug(database: Database) -> None:
    values = {"kind": "sync", "name": "it", "started_at": datetime(2026, 11, 22)}  # noqa: DTZ001
    with pytest.raises(Exception, match="without a zone"), database.begin() as connection:
        connection.execute(insert(RUNS).values(values))


def start_one(url: str, barrier: "multiprocessing.synchronize.Barrier", name: str) -> None:
    barrier.wait(30)
    database = open_database(url)
    Runs(database).start("sync", name)
    database.close()


def test_processes_that_start_at_once(file: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)
    names = ["a", "b", "c"]
    children = [
        spawn.Process(target=start_one, args=(sqlite_url(file), barrier, name)) for name in names
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert rows(file, "SELECT name FROM runs ORDER BY name") == [("a",), ("b",), ("c",)]
    assert rows(file, "PRAGMA journal_mode") == [("wal",)]


def test_a_migration_that_dies_leaves_the_old_schema(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alembic.op.create_index", die)
    with pytest.raises(KeyboardInterrupt):
        open_database(sqlite_url(file))
    monkeypatch.undo()
    assert rows(file, "SELECT name FROM sqlite_master") == []
    open_database(sqlite_url(file)).close()


def test_a_locked_database(database: Database, file: Path) -> None:
    hurried = open_database(sqlite_url(file), wait=0.05)
    with database.begin(), pytest.raises(Busy, match="is locked") as caught:
        Runs(hurried).start("sync", "it")
    assert "Wait" in caught.value.mend
    with database.begin(), pytest.raises(Busy):
        open_database(sqlite_url(file), wait=0.05)
    hurried.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    file.write_bytes(b"Was immer das ist, es ist keine Datenbank. " * 100)
    with pytest.raises(Damaged, match=r"runs\.sqlite is damaged or not a database") as caught:
        open_database(sqlite_url(file))
    assert "backup" in caught.value.mend


def test_a_damaged_page(database: Database, file: Path) -> None:
    for _ in range(50):
        Runs(database).start("sync", "it" * 200)
    database.close()
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(Damaged):
        open_database(sqlite_url(file))


def test_a_full_disk(database: Database) -> None:
    runs = Runs(database)
    with database.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with database.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    run = runs.start("sync", "it")
    with pytest.raises(RetryLater, match="no space left") as caught:
        runs.end(run, "done", {"long": "x" * 100_000})
    assert "Free space" in caught.value.mend
    assert runs.latest("sync", "it") == run


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach; pytest's own are the runner's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Whom file permissions hold back; they don't hold back root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def test_a_read_only_database(open_folder: Path, request: pytest.FixtureRequest) -> None:
    url = sqlite_url(open_folder / "runs.sqlite")
    open_database(url).close()
    (open_folder / "runs.sqlite").chmod(0o444)
    open_folder.chmod(0o555)
    request.getfixturevalue("ordinary_user")
    with pytest.raises(BadInput, match="can't be written") as caught:
        open_database(url)
    assert "right to write" in caught.value.mend


def test_a_folder_that_may_not_be_made(open_folder: Path, request: pytest.FixtureRequest) -> None:
    open_folder.chmod(0o555)
    request.getfixturevalue("ordinary_user")
    with pytest.raises(BadInput, match="can't be made"):
        open_database(sqlite_url(open_folder / "below" / "runs.sqlite"))


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be written"):
        open_database(sqlite_url(tmp_path))


def test_a_newer_schema(database: Database, file: Path) -> None:
    database.close()
    change(file, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(BadInput, match="newer version") as caught:
        open_database(sqlite_url(file))
    assert "Install that version" in caught.value.mend


def test_the_table_of_another_program(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    change(file, "CREATE TABLE runs (distance REAL)")
    with pytest.raises(BadInput, match="of another program"):
        open_database(sqlite_url(file))
    assert rows(file, "SELECT name FROM sqlite_master") == [("runs",)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "runs.sqlite",
        "postgresql://rag:geheim@db:54x2/rag",
        "mysql://rag:geheim@db/rag",
        "postgresql+nonsense://rag:geheim@db/rag",
        "postgresql://rag:geheim@db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:runs?mode=ro&uri=true",
    ],
)
def test_a_bad_url_names_no_secret(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        open_database(url)
    assert "sqlite:////" in caught.value.mend
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_bug_is_shown_as_one(database: Database) -> None:
    with pytest.raises(Exception, match="no such table") as caught, database.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM missing")
    assert not isinstance(caught.value, BadInput | RetryLater | Damaged)


class DriverError(Exception):
    """What psycopg raises: an error with PostgreSQL's number of it, or with none."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("the server's line\nDETAIL: a secret value")
        self.sqlstate = sqlstate


class OperationalError(DriverError):
    """As psycopg names it."""


class DataError(DriverError):
    """As psycopg names it."""


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (DriverError("55P03"), Busy, "is locked"),
        (DriverError("40P01"), Busy, "is locked"),
        (DriverError("53100"), RetryLater, "has no space left"),
        (DriverError("53300"), RetryLater, "does not answer"),
        (DriverError("57P02"), RetryLater, "does not answer"),
        (DriverError("58030"), RetryLater, "can't be read or written"),
        (DriverError("25006"), BadInput, "can't be written"),
        (DriverError("42501"), BadInput, "can't be written"),
        (DriverError("22021"), BadInput, "can't hold a value"),
        (DriverError("XX001"), Damaged, "is damaged"),
        (OperationalError(None), RetryLater, "lets nobody in"),
        (DataError(None), BadInput, "can't hold a value"),
    ],
)
def test_what_postgresql_says(error: DriverError, kind: type[RagError], message: str) -> None:
    told = DBAPIError("INSERT …", {"report": "a secret value"}, error)
    with pytest.raises(kind) as caught, named("The database “rag”"):
        raise told
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert caught.value.message.endswith(": the server's line.")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [DriverError("42P01"), DriverError(None)])
def test_what_is_no_outage_is_a_bug(error: DriverError) -> None:
    with pytest.raises(DBAPIError), named("The database “rag”"):
        raise DBAPIError("SELECT …", {}, error)
