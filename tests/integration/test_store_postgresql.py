"""The store on a real PostgreSQL: a private cluster of Debian's own server, stopped at the end."""

import multiprocessing
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from rag.core.errors import BadInput, Busy, RagError, RetryLater
from rag.store.database import Database, open_database
from rag.store.runs import Runs
from rag.store.tables import METADATA, VERSION_TABLE
from tests.contracts import runs_contract as contract

pytestmark = pytest.mark.postgresql


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A PostgreSQL server on a free port of 127.0.0.1, run by `user` because it refuses root."""

    folder: Path
    binaries: Path
    port: int
    user: str | None
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def url(self, database: str, *, user: str = "rag", password: str = "") -> str:
        secret = password or self.password
        return f"postgresql+psycopg://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.binaries / program), *arguments],
            user=self.user,
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": self.password},
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    def make(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(secret, self.user)
        data = str(self.folder / "data")
        arguments = ["-U", "rag", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"]
        self.call("initdb", "-D", data, f"--pwfile={secret}", *arguments)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self.call(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start"
        )

    def stop(self) -> None:
        self.call("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def create(self, name: str) -> str:
        host = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "rag"]
        self.call("createdb", *host, name)
        return self.url(name)


def binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "PostgreSQL is missing: apt-get install postgresql"
    return found[-1].parent


def ordinary_user() -> str | None:
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres").pw_name


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="rag-pg-") as folder:
        made = Cluster(
            folder=Path(folder), binaries=binaries(), port=free_port(), user=ordinary_user()
        )
        made.make()
        made.start()
        yield made
        made.stop()


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.create(f"rag_{secrets.token_hex(4)}")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.mark.parametrize("check", contract.CHECKS)
def test_contract(check: contract.Check, database: Database, url: str) -> None:
    other = open_database(url)
    check(Runs(database), Runs(other))
    other.close()


def test_times_keep_their_moment_in_every_zone_of_the_server(url: str) -> None:
    database = open_database(url)
    with database.begin() as connection:
        name = url.rpartition("/")[2]
        connection.execute(text(f"ALTER DATABASE {name} SET timezone = 'Pacific/Kiritimati'"))
    database.close()
    again = open_database(url)
    contract.times_are_aware_and_utc(Runs(again), Runs(again))
    contract.a_run_begins_now(Runs(again), Runs(again))
    again.close()


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def start_one(url: str, barrier: "multiprocessing.synchronize.Barrier", name: str) -> None:
    barrier.wait(30)
    database = open_database(url)
    Runs(database).start("sync", name)
    database.close()


def test_processes_that_start_at_once(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)
    children = [spawn.Process(target=start_one, args=(url, barrier, name)) for name in "abc"]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    database = open_database(url)
    assert all(Runs(database).latest("sync", name) for name in "abc")
    database.close()


def test_the_schema_is_locked(database: Database, url: str) -> None:
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE runs"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({0x63616D707573})"))
        with pytest.raises(Busy, match="is locked"):
            open_database(url, wait=0.05)


def test_a_newer_schema(database: Database, url: str) -> None:
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(BadInput, match="newer version"):
        open_database(url)


def test_the_table_of_another_program(url: str) -> None:
    database = open_database(url)
    with database.begin() as connection:
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
    database.close()
    with pytest.raises(BadInput, match="of another program"):
        open_database(url)


def test_a_read_only_database(database: Database, url: str) -> None:
    with database.begin() as connection:
        name = url.rpartition("/")[2]
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    read_only = open_database(url)
    with pytest.raises(BadInput, match="can't be written"):
        Runs(read_only).start("sync", "it")
    read_only.close()


def test_a_user_without_rights(database: Database, url: str, cluster: Cluster) -> None:
    with database.begin() as connection:
        connection.execute(text(f"CREATE ROLE guest LOGIN PASSWORD '{cluster.password}'"))
    with pytest.raises(BadInput, match="can't be written"):
        open_database(cluster.url(url.rpartition("/")[2], user="guest"))


def test_a_value_that_cannot_be_stored(database: Database) -> None:
    with pytest.raises(BadInput, match="can't hold a value"):
        Runs(database).start("sync", "nul \x00")


@pytest.mark.parametrize("wrong", ["password", "database", "port"])
def test_nobody_is_let_in(wrong: str, url: str, cluster: Cluster) -> None:
    bad = {
        "password": url.replace(cluster.password, "geheimnis"),
        "database": cluster.url("rag_missing"),
        "port": url.replace(str(cluster.port), str(free_port())),
    }[wrong]
    with pytest.raises(RetryLater, match="lets nobody in") as caught:
        open_database(bad)
    assert "geheimnis" not in str(caught.value)
    assert cluster.password not in str(caught.value)


def test_a_server_that_stops_and_comes_back(database: Database, cluster: Cluster) -> None:
    runs = Runs(database)
    run = runs.start("sync", "it")
    cluster.stop()
    try:
        with pytest.raises(RagError) as caught:
            runs.latest("sync", "it")
        assert isinstance(caught.value, RetryLater)
    finally:
        cluster.start()
    assert runs.latest("sync", "it") == run


def test_a_server_that_stops_within_a_transaction(database: Database, cluster: Cluster) -> None:
    def stop_within() -> None:
        with database.begin() as connection:
            connection.execute(text("SELECT 1"))
            cluster.stop()
            connection.execute(text("SELECT 1"))

    try:
        with pytest.raises(RetryLater, match="does not answer"):
            stop_within()
    finally:
        cluster.start()
    with database.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
