"""Kill a sync anywhere, sync again: the same index as if nothing had happened; readers read on."""

import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from indexes import durable
from tests import crashing
from tests.contracts.index_material import PUBLIC, everything, request
from tests.engines import edge
from tests.fakes import ListSource
from tests.syncing import Bench

# A server that has imported everything, and forks: no thread of ours is in it.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.crashing"])
_SEED = 20261101
_MOMENTS = 20
_KILLED = -9


def start(target: Any, *arguments: Any) -> ForkServerProcess:
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


@contextmanager
def reading(folder: Path) -> Iterator[crashing.Seen]:
    """A reader in another process for as long as the context lasts; filled at its end."""
    seen = crashing.Seen(versions=Counter(), errors=[])
    ours, theirs = _CONTEXT.Pipe()
    process = start(crashing.read_on, folder, theirs)
    assert ours.recv() == "ready"
    yield seen
    ours.send("enough")
    found = ours.recv()
    seen.versions, seen.errors = found.versions, found.errors
    process.join()


def steps_of(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every durable step of an undisturbed sync, with the how-manieth of its name it is."""
    passed: Counter[str] = Counter()
    steps: list[tuple[str, int]] = []

    def observe(name: str) -> None:
        passed[name] += 1
        steps.append((name, passed[name]))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "_observers", [observe])
        bench.sync()
    return steps


def same_as_undisturbed(bench: Bench, state: crashing.State, folder: Path) -> None:
    """Compare with an index that was built from the state in one go."""
    source = ListSource(has_keys=True)
    source.put(*state.values())
    undisturbed = Bench(store=edge(folder / "undisturbed"), folder=folder, source=source)
    if not (folder / "undisturbed" / "CURRENT").exists():
        undisturbed.sync()
    assert contents(bench) == contents(undisturbed)
    for text in ("common in B", "labelled A", "only"):
        for found, wanted in zip(hits(bench, text), hits(undisturbed, text), strict=True):
            assert found == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def contents(bench: Bench) -> tuple[Any, ...]:
    """All passages and the ledger."""
    with bench.store.pin() as index:
        passages = [everything(index, labels) for labels in (PUBLIC, crashing.STAFF)]
    with bench.store.write() as writer:
        entries = sorted(writer.entries("wiki"), key=lambda entry: entry.record_id)
    return passages, entries


def hits(bench: Bench, text: str) -> tuple[dict[str, float], dict[str, float]]:
    """All that an exact search finds, with its scores; deep enough that no tie is cut."""
    with bench.store.pin() as index:
        found = index.search(request(text, limit=1000))
    dense, sparse = ({hit.passage.id: hit.score for hit in s} for s in (found.dense, found.sparse))
    return dense, sparse


class Pendulum:
    """One index that is synced to and fro between two states of its source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.states = crashing.states()
        self.source = ListSource(has_keys=True)
        crashing.turn(self.source, self.states[0])
        self.bench = crashing.bench_in(folder, self.source)
        self.bench.sync()
        self.at = 0

    def turn(self) -> None:
        self.at = 1 - self.at
        crashing.turn(self.source, self.states[self.at])

    def recover(self) -> None:
        """Sync again, and compare with an undisturbed run."""
        self.bench.sync()
        same_as_undisturbed(self.bench, self.states[self.at], self.folder / str(self.at))

    def allowed(self) -> set[str]:
        """What a reader may see at any time."""
        one, other = self.states
        return {
            crashing.fingerprint_of(one.values()),
            crashing.fingerprint_of(other.values()),
            crashing.fingerprint_of(crashing.half_way(one, other)),
            crashing.fingerprint_of(crashing.half_way(other, one)),
        }


def test_killed_at_every_step(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pendulum = Pendulum(quick_path)
    pendulum.turn()
    steps = steps_of(pendulum.bench, monkeypatch)
    # Two versions are published: one for what was revoked, one for what changed.
    assert Counter(name for name, _ in steps)["promoted"] == 2
    assert {name for name, _ in steps} == set(durable.STEPS)
    with reading(quick_path) as seen:
        for step, occurrence in steps:
            pendulum.turn()
            process = start(crashing.sync_until, quick_path, pendulum.source, step, occurrence)
            process.join()
            assert process.exitcode == _KILLED, (step, occurrence)
            pendulum.recover()
    assert not seen.errors
    assert seen.versions.keys() <= pendulum.allowed()
    assert len(seen.versions) > 1


def test_killed_at_random_moments(quick_path: Path) -> None:
    print(f"seed {_SEED}")  # noqa: T201 - pytest shows it where the test fails
    chance = random.Random(_SEED)
    pendulum = Pendulum(quick_path)
    killed = 0
    with reading(quick_path) as seen:
        for _ in range(_MOMENTS):
            pendulum.turn()
            ours, theirs = _CONTEXT.Pipe()
            process = start(crashing.sync_after_a_word, quick_path, pendulum.source, theirs)
            assert ours.recv() == "begins"
            moment = chance.uniform(0, 0.4)
            process.join(moment)
            process.kill()
            process.join()
            killed += process.exitcode == _KILLED
            print(f"{moment:.3f} s: {process.exitcode}")  # noqa: T201 - as above
            pendulum.recover()
    assert killed > _MOMENTS / 2
    assert not seen.errors
    assert seen.versions.keys() <= pendulum.allowed()


def test_a_first_build_killed_at_every_step(
    quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = crashing.states()[0]
    source = ListSource(has_keys=True)
    crashing.turn(source, state)
    steps = steps_of(crashing.bench_in(quick_path / "watched", source), monkeypatch)
    allowed = {crashing.fingerprint_of(state.values()), "nothing"}
    for number, (step, occurrence) in enumerate(steps):
        folder = quick_path / str(number)
        folder.mkdir()
        with reading(folder) as seen:
            process = start(crashing.sync_until, folder, source, step, occurrence)
            process.join()
            assert process.exitcode == _KILLED, (step, occurrence)
            bench = crashing.bench_in(folder, source)
            bench.sync()
            same_as_undisturbed(bench, state, quick_path)
        assert not seen.errors
        assert seen.versions.keys() <= allowed
