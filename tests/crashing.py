"""A sync that is killed, and a reader that must not notice: what runs in other processes."""

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from indexes import durable
from rag.core.errors import NotFound, RetryLater
from rag.core.records import Labels, Passage, Record
from tests.contracts.index_material import PUBLIC, embed, make
from tests.engines import edge
from tests.fakes import ListSource
from tests.syncing import Bench

STAFF: Labels = frozenset({"staff"})
State = dict[str, Record]


def states() -> tuple[State, State]:
    """Two states of one source: from either to the other, records come, go, change and close.

    Enough change for several batches, so that a kill can fall between them.
    """
    return _state("A", PUBLIC), _state("B", STAFF)


def _state(name: str, labels: Labels) -> State:
    records = [make(f"c{i:03}", f"common {i}\n\nin {name}") for i in range(140)]
    records += [make(f"only-{name}{i}", f"only in {name}") for i in range(5)]
    records += [make(f"l{i}", f"labelled {name}", labels=labels) for i in range(5)]
    return {record.key: record for record in records}


def turn(source: ListSource, state: State) -> None:
    """Bring the source into the state."""
    source.remove(*(key for key in list(source.records) if key not in state))
    source.put(*(r for key, r in state.items() if source.records.get(key) != r))


def half_way(before: State, after: State) -> Iterable[Record]:
    """What is visible between the two passes: revoked already, but nothing stored yet."""
    for key in before.keys() & after.keys():
        yield replace(before[key], labels=after[key].labels)


def fingerprint(passages: Iterable[Passage]) -> str:
    """Of everything that a reader sees."""
    lines = sorted(f"{each.id} {each.text} {sorted(each.labels)}" for each in passages)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def fingerprint_of(records: Iterable[Record]) -> str:
    """Of what everybody must see of these records."""
    return fingerprint(
        each.passage for record in records if record.labels & PUBLIC for each in embed(record)
    )


def bench_in(folder: Path, source: ListSource) -> Bench:
    """An index in the folder, with the source."""
    return Bench(store=edge(folder / "campus", keep=2), folder=folder, source=source)


# --- in other processes ----------------------------------------------------------------------


def sync_until(folder: Path, source: ListSource, step: str, occurrence: int) -> None:
    """A sync that kills itself when it comes to the step for so-manieth time."""
    durable.observe(_killer(step, occurrence))
    bench_in(folder, source).sync()


def _killer(step: str, occurrence: int) -> Callable[[str], None]:
    passed: Counter[str] = Counter()

    def observe(name: str) -> None:
        passed[name] += 1
        if name == step and passed[name] == occurrence:
            os.kill(os.getpid(), signal.SIGKILL)

    return observe


def sync_after_a_word(folder: Path, source: ListSource, parent: Connection) -> None:
    """A sync that says when it begins."""
    parent.send("begins")
    bench_in(folder, source).sync()


def sync_and_tell(folder: Path, source: ListSource, parent: Connection) -> None:
    """A sync that hands back how it ended."""
    try:
        report = bench_in(folder, source).sync()
    except RetryLater as error:
        parent.send(str(error))
    else:
        parent.send(f"done, {report.failed} failed")


@dataclass(slots=True, kw_only=True)
class Seen:
    """What a reader saw: how often each version, and everything that went wrong."""

    versions: Counter[str]
    errors: list[str]


def read_on(folder: Path, parent: Connection) -> None:
    """Read the index again and again until the parent says a word."""
    store = edge(folder / "campus", keep=2)
    seen = Seen(versions=Counter(), errors=[])
    parent.send("ready")
    while not parent.poll(0.002):
        try:
            with store.pin() as index:
                seen.versions[fingerprint(index.scroll(labels=PUBLIC))] += 1
        except NotFound:
            seen.versions["nothing"] += 1
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            seen.errors.append(f"{type(error).__name__}: {error}")
    parent.send(seen)
