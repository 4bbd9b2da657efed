"""One source into one index: counts, order of the passes, sweeps."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from indexes import durable
from rag.core.definitions.indexes import SweepGuard
from rag.core.errors import RetryLater
from rag.core.records import Change, Checkpoint, Delete, Labels, Record, Upsert
from tests.contracts.index_material import PUBLIC, make
from tests.fakes import HashEmbedder, ListSource
from tests.generations import opened
from tests.syncing import NOW, Bench, Watcher, counts, fill

STAFF: Labels = frozenset({"staff"})


@pytest.fixture
def bench(quick_path: Path) -> Bench:
    return Bench(store=opened(quick_path / "campus"), folder=quick_path)


# --- counts --------------------------------------------------------------------------------------


def test_counts_say_what_was_done(bench: Bench) -> None:
    fill(bench)
    report = bench.sync()
    assert counts(report) == {"seen": 12, "added": 12}
    assert report.passages == 12
    assert not report.is_short

    bench.source.edit("00", "new\n\ntext")
    bench.source.relabel("01", STAFF)
    bench.source.put(replace(bench.source.records["02"], text="both", labels=STAFF))
    bench.source.remove("03")
    bench.source.put(make("new"), make("nobody", labels=frozenset()))
    report = bench.sync(full=True)
    assert counts(report) == {
        "seen": 13,
        "added": 2,
        "changed": 2,
        "relabelled": 1,
        "deleted": 1,
        "unchanged": 8,
    }
    assert (report.passages, report.unlabelled, report.is_short) == (5, 1, False)
    assert bench.texts()["00"] == "new\n\ntext"
    assert bench.texts(STAFF) == {"01": "text 1", "02": "both"}
    assert "03" not in bench.texts()


def test_nothing_is_embedded_when_nothing_changed(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.embedder = HashEmbedder(32)
    version = _version(bench)
    assert counts(bench.sync(full=True)) == {"seen": 12, "unchanged": 12}
    bench.source.relabel("01", STAFF)
    assert counts(bench.sync(full=True)) == {"seen": 12, "relabelled": 1, "unchanged": 11}
    assert bench.embedder.embedded == []
    assert _version(bench) != version
    version = _version(bench)
    bench.sync(full=True)
    assert _version(bench) == version


def _version(bench: Bench) -> str:
    with bench.store.pin() as index:
        return index.version


@pytest.mark.parametrize(
    "change",
    [
        {"title": "other"},
        {"url": "https://other.example"},
        {"language": "de"},
        {"updated_at": NOW},
        {"valid_until": NOW + timedelta(days=1)},
        {"partition": "2026w"},
        {"facets": {"level": "b"}},
        {"kind": "course"},
    ],
)
def test_every_field_that_can_be_found_counts_as_a_change(
    bench: Bench, change: dict[str, Any]
) -> None:
    bench.source.put(make("a"))
    bench.sync()
    bench.source.put(make("a", **change))
    assert counts(bench.sync()) == {"seen": 1, "changed": 1}


# --- two passes ----------------------------------------------------------------------------------


def test_what_is_revoked_is_gone_before_anything_is_embedded(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.remove("00")
    bench.source.relabel("01", STAFF)
    bench.source.put(replace(bench.source.records["02"], text="secret now", labels=STAFF))
    bench.source.put(replace(bench.source.records["03"], valid_until=NOW))
    bench.source.edit("11", "changed")
    looked: list[set[str]] = []

    def look() -> None:
        looked.append(set(bench.texts()))
        assert bench.texts(STAFF) == {"01": "text 1", "02": "text 2"}
        assert bench.texts()["11"] == "text 11"

    bench.embedder = Watcher(look)
    report = bench.sync(full=True)
    assert looked == [{f"{i:02}" for i in range(4, 12)}]
    assert (report.deleted, report.relabelled, report.changed) == (2, 1, 2)
    assert bench.texts(STAFF) == {"01": "text 1", "02": "secret now"}


def test_a_failing_embedder_does_not_undo_a_revocation(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.remove("00")
    bench.source.edit("01", "changed")

    def fail() -> None:
        raise RetryLater("The embedder is away.")

    bench.embedder = Watcher(fail)
    with pytest.raises(RetryLater):
        bench.sync(full=True)
    assert "00" not in bench.texts()
    assert bench.texts()["01"] == "text 1"
    bench.embedder = HashEmbedder(32)
    assert counts(bench.sync(full=True)) == {"seen": 11, "changed": 1, "unchanged": 10}


def test_a_first_build_is_not_visible_in_halves(bench: Bench) -> None:
    fill(bench, 3)
    bench.source.put(make("old", valid_until=NOW))

    def look() -> None:
        assert not list((bench.folder / "campus").glob("CURRENT"))

    bench.embedder = Watcher(look)
    bench.sync()
    assert len(bench.texts()) == 3


class Script(ListSource):
    """Hands over exactly this: records, and keys that are gone."""

    def __init__(self, script: list[Record | str]) -> None:
        super().__init__(name="wiki")
        self.script = script

    def changes(self, since: str | None) -> Iterator[Change]:
        for each in self.script:
            yield Delete(key=each) if isinstance(each, str) else Upsert(record=each)
        yield Checkpoint(cursor="end")


def test_a_source_may_change_while_it_is_read(bench: Bench) -> None:
    """What came last counts, also where it takes back what came before."""
    fill(bench, 4)
    bench.sync()
    bench.source = Script(
        [
            make("00", "wrong turn"),
            make("01", "wrong turn"),
            make("02", "first"),
            make("new", "public", labels=PUBLIC),
            make("gone", "must not stay"),
            make("00", "text 0"),
            "01",
            make("02", "second"),
            make("new", "public", labels=STAFF),
            "gone",
            make("03", "text 3"),
        ]
    )
    bench.sync()
    assert bench.texts() == {"00": "text 0", "02": "second", "03": "text 3"}
    assert bench.texts(STAFF) == {"new": "public"}


# --- the sweep -----------------------------------------------------------------------------------


def test_the_guard_refuses_a_sweep_beyond_both_bounds(bench: Bench) -> None:
    fill(bench, 50)
    bench.sync()
    bench.source.remove(*(f"{i:02}" for i in range(11)))
    report = bench.sync(full=True)
    assert counts(report) == {"seen": 39, "unchanged": 39}
    assert report.refused_sweeps == [
        "11 of 50 records are missing from the source; none was deleted."
    ]
    assert report.is_short
    assert len(bench.texts()) == 50


@pytest.mark.parametrize(("total", "missing"), [(50, 10), (12, 10), (60, 12), (11, 10)])
def test_the_guard_lets_through_what_is_within_one_bound(
    bench: Bench, total: int, missing: int
) -> None:
    fill(bench, total)
    bench.sync()
    bench.source.remove(*(f"{i:02}" for i in range(missing)))
    report = bench.sync(full=True)
    assert (report.deleted, report.is_short) == (missing, False)
    assert len(bench.texts()) == total - missing


def test_the_guard_looks_at_each_partition(bench: Bench) -> None:
    for term in ("2026s", "2026w"):
        bench.source.put(*(make(f"{term}{i:02}", partition=term) for i in range(20)))
    bench.sync()
    bench.source.remove(*(f"2026s{i:02}" for i in range(11)), "2026w00")
    report = bench.sync(full=True)
    assert report.deleted == 1
    assert report.refused_sweeps == [
        "11 of 20 records of partition “2026s” are missing from the source; none was deleted."
    ]
    bench.guard = SweepGuard(share=1.0)
    assert bench.sync(full=True).deleted == 11


def test_tombstones_and_expiry_are_no_sweep(bench: Bench) -> None:
    bench.source.has_tombstones = True
    fill(bench, 20)
    bench.source.put(*(make(f"old{i:02}", valid_until=NOW) for i in range(20)))
    bench.sync(now=NOW - timedelta(days=1))
    bench.source.remove(*(f"{i:02}" for i in range(15)))
    report = bench.sync()
    assert (report.deleted, report.is_short) == (35, False)
    assert bench.texts().keys() == {"15", "16", "17", "18", "19"}


def test_other_sources_are_left_alone(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source = ListSource(name="courses")
    fill(bench, 2, source="courses")
    assert counts(bench.sync(full=True)) == {"seen": 2, "added": 2}
    bench.source.remove("00")
    assert bench.sync(full=True).deleted == 1
    with bench.store.pin() as index:
        assert index.count(labels=PUBLIC) == 13


# --- odds and ends -------------------------------------------------------------------------------


def test_progress_is_told(bench: Bench) -> None:
    told: list[str] = []

    class Teller:
        def start(self, task: str, total: int | None) -> None:
            told.append(f"{task} {total}")

        def advance(self, steps: int = 1) -> None:
            told.append(f"+{steps}")

        def finish(self) -> None:
            told.append("end")

    bench.source.put(make("a"), make("b"))
    bench.progress = Teller()
    bench.sync()
    assert told == ["wiki: reading None", "+1", "+1", "wiki: indexing 2", "+2", "end"]


def test_every_durable_step_has_a_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(durable, "_observers", [steps.append])
    fill(bench, 3)
    bench.sync()
    bench.source.edit("00", "changed")
    bench.sync()
    assert set(steps) == set(durable.STEPS)
    with pytest.raises(AssertionError):
        durable.step("unheard-of")


def test_records_of_every_kind_survive_the_spool(bench: Bench) -> None:
    record = make(
        "Ü",
        "**ä** 🎓\n\x1f\u2028 end",
        valid_until=NOW + timedelta(days=1),
        facets={"a": "2026-10-12", "b": 5, "c": 5.0, "d": True, "e": ("x", "y"), "f": "5"},
    )
    bench.source.put(record)
    bench.sync()
    assert counts(bench.sync(full=True)) == {"seen": 1, "unchanged": 1}
    with bench.store.pin() as index:
        found = next(index.scroll(labels=PUBLIC))
    assert {name: (type(v), v) for name, v in found.facets.items()} == {
        name: (type(v), v) for name, v in record.facets.items()
    }


def test_what_several_sources_revoked_can_go_before_any_of_them_embeds(bench: Bench) -> None:
    other = replace(bench, source=ListSource(name="courses"))
    for each, key in ((bench, "w"), (other, "c")):
        name = each.source.name
        each.source.put(make(f"{key}1", "old", source=name), make(f"{key}2", "old", source=name))
        each.sync()
        each.source.edit(f"{key}1", "new")
        each.source.relabel(f"{key}2", STAFF)
    looked: list[dict[str, str]] = []
    bench.embedder = other.embedder = Watcher(lambda: looked.append(bench.texts()))
    with ExitStack() as stack:
        writer = stack.enter_context(bench.store.write())
        runs = [each.begin(stack, writer) for each in (bench, other)]
        for run in runs:
            run.read(full=False)
        assert all(run.has_revoked for run in runs)
        writer.publish()
        for run in runs:
            run.store()
        writer.publish()
    assert looked == [{"w1": "old", "c1": "old"}] * 2
    assert bench.texts() == {"w1": "new", "c1": "new"}
    assert bench.texts(STAFF) == {"w2": "old", "c2": "old"}
