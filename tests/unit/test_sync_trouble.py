"""What goes wrong in a source, where a run resumes, and what expires."""

from datetime import timedelta
from pathlib import Path

import pytest

from indexes import durable, sync
from rag.core.errors import BadInput, RetryLater
from rag.core.records import Labels
from tests.contracts.index_material import make
from tests.fakes import HashEmbedder
from tests.generations import opened
from tests.syncing import NOW, Bench, Watcher, counts, fill

STAFF: Labels = frozenset({"staff"})


@pytest.fixture
def bench(quick_path: Path) -> Bench:
    return Bench(store=opened(quick_path / "campus"), folder=quick_path)


# --- failures ------------------------------------------------------------------------------------


def test_an_unreadable_document_keeps_its_former_version(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.edit("00", "cannot be read")
    bench.source.unreadable.add("00")
    bench.source.remove("01")
    report = bench.sync(full=True)
    assert counts(report) == {"seen": 10, "deleted": 1, "unchanged": 10, "failed": 1}
    assert report.failures == [sync.Failure(key="00", stage="parsing", reason="broken")]
    assert report.is_short
    assert bench.texts()["00"] == "text 0"


@pytest.mark.parametrize("text", ["UNCUTTABLE", "", " \n\n "])
def test_a_record_that_cannot_be_cut_keeps_its_former_version(bench: Bench, text: str) -> None:
    fill(bench, 3)
    bench.sync()
    bench.source.edit("00", text)
    bench.source.edit("01", "fine")
    report = bench.sync()
    assert counts(report) == {"seen": 2, "changed": 1, "failed": 1}
    assert [(each.key, each.stage) for each in report.failures] == [("00", "chunking")]
    assert bench.texts() == {"00": "text 0", "01": "fine", "02": "text 2"}


def test_its_labels_count_all_the_same(bench: Bench) -> None:
    bench.source.put(make("a", "old"))
    bench.sync()
    bench.source.put(make("a", "UNCUTTABLE", labels=STAFF))
    bench.sync()
    assert not bench.texts()
    assert bench.texts(STAFF) == {"a": "old"}


def test_a_failure_without_a_name_forbids_the_sweep(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.unnamed = 1
    bench.source.remove("00")
    report = bench.sync(full=True)
    assert report.deleted == 0
    assert "1 unreadable documents have no name" in report.not_swept
    assert report.is_short
    assert len(bench.texts()) == 12


def test_too_many_failures_stop_the_run(bench: Bench) -> None:
    fill(bench, 100)
    bench.sync()
    bench.source.unreadable.update(f"{i:02}" for i in range(5, 40))
    with pytest.raises(BadInput, match=r"5 of the first 20 documents of “wiki” can't be read"):
        bench.sync(full=True)
    assert len(bench.texts()) == 100
    bench.failure_threshold = 0.9
    report = bench.sync(full=True)
    assert counts(report) == {"seen": 65, "unchanged": 65, "failed": 35}


def test_of_few_documents_all_may_fail(bench: Bench) -> None:
    fill(bench, 19)
    bench.sync()
    bench.source.unreadable.update(bench.source.records)
    assert counts(bench.sync(full=True)) == {"failed": 19}
    assert len(bench.texts()) == 19


def test_failures_are_listed_up_to_a_thousand(bench: Bench) -> None:
    report = sync.SourceReport(source="wiki", index="campus")
    for i in range(1005):
        report.fail(str(i), "parsing", "broken")
    assert (report.failed, len(report.failures)) == (1005, 1000)


def test_an_outage_deletes_nothing_and_what_came_before_stands(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.edit("00", "changed")
    bench.source.remove("01", "11")
    bench.source.outage_after = 5
    report = bench.sync(full=True)
    assert report.outage == "The system went down in the middle."
    assert counts(report) == {"seen": 5, "changed": 1, "unchanged": 4}
    assert report.is_short
    assert len(bench.texts()) == 12
    assert bench.texts()["00"] == "changed"
    bench.source.outage_after = None
    assert counts(bench.sync(full=True)) == {"seen": 10, "deleted": 2, "unchanged": 10}


def test_a_full_disk_is_no_outage(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench)
    bench.sync()
    bench.source.relabel("00", STAFF)

    def refuse(place: Path, needed: int) -> None:
        raise RetryLater("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "require_room", refuse)
        with pytest.raises(RetryLater, match="disk is full"):
            bench.sync()
    assert counts(bench.sync()) == {"seen": 1, "relabelled": 1}


# --- cursors -------------------------------------------------------------------------------------


def test_a_run_resumes_from_the_last_checkpoint(bench: Bench) -> None:
    fill(bench, 30)
    bench.source.checkpoint_every = 10
    bench.source.outage_after = 25
    assert bench.sync().added == 23
    bench.source.outage_after = None
    report = bench.sync()
    assert counts(report) == {"seen": 10, "added": 7, "unchanged": 3}
    assert len(bench.texts()) == 30
    assert counts(bench.sync()) == {}
    assert bench.source.reads == [None, "0|19|30", "30||30"]


def test_an_incremental_run_sweeps_only_by_a_complete_listing(bench: Bench) -> None:
    fill(bench)
    bench.sync()
    bench.source.remove("00")
    bench.source.edit("01", "changed")
    assert counts(bench.sync()) == {"seen": 1, "changed": 1}
    assert "00" in bench.texts()

    bench.source.has_keys = True
    bench.source.keys_outage = True
    report = bench.sync()
    assert (report.deleted, report.not_swept) == (0, "The listing broke off.")
    assert report.is_short

    bench.source.keys_outage = False
    bench.source.put(make("new"))
    report = bench.sync()
    assert counts(report) == {"seen": 1, "added": 1, "deleted": 1}
    assert bench.texts().keys() == {*(f"{i:02}" for i in range(1, 12)), "new"}


def test_a_cursor_counts_for_its_own_definition(bench: Bench) -> None:
    fill(bench, 3)
    bench.sync()
    bench.definition = "2"
    assert counts(bench.sync()) == {"seen": 3, "unchanged": 3}
    assert counts(bench.sync()) == {}
    assert counts(bench.sync(full=True)) == {"seen": 3, "unchanged": 3}
    assert bench.source.reads == [None, None, "3||3", None]


def test_a_cursor_is_not_kept_without_its_data(bench: Bench) -> None:
    fill(bench, 3)

    def fail() -> None:
        raise RetryLater("The embedder is away.")

    bench.embedder = Watcher(fail)
    with pytest.raises(RetryLater):
        bench.sync()
    bench.embedder = HashEmbedder(32)
    assert bench.sync().added == 3
    assert bench.source.reads == [None, None]


# --- expiry --------------------------------------------------------------------------------------


def test_what_is_out_of_date_vanishes_without_being_listed(bench: Bench) -> None:
    bench.source.put(
        make("a", valid_until=NOW), make("b", valid_until=NOW + timedelta(seconds=1)), make("c")
    )
    assert bench.sync(now=NOW - timedelta(seconds=1)).added == 3
    report = bench.sync()
    assert counts(report) == {"deleted": 1}
    assert bench.texts().keys() == {"b", "c"}
    assert counts(bench.sync(full=True)) == {"seen": 3, "unchanged": 2}


def test_what_is_out_of_date_vanishes_also_in_an_outage(bench: Bench) -> None:
    bench.source.put(make("a", valid_until=NOW), make("b"))
    bench.sync(now=NOW - timedelta(seconds=1))
    bench.source.outage_after = 0
    assert counts(bench.sync()) == {"deleted": 1}
    assert bench.texts().keys() == {"b"}


def test_an_extended_record_stays(bench: Bench) -> None:
    bench.source.put(make("a", "old", valid_until=NOW))
    bench.sync(now=NOW - timedelta(days=1))
    bench.source.put(make("a", "new", valid_until=NOW + timedelta(days=9)))
    assert counts(bench.sync()) == {"seen": 1, "changed": 1}
    assert bench.texts() == {"a": "new"}


def test_an_expired_semester_does_not_trip_the_guard(bench: Bench) -> None:
    bench.source.put(*(make(f"{i:02}", partition="2026s", valid_until=NOW) for i in range(30)))
    bench.source.put(make("new", partition="2026w"))
    bench.sync(now=NOW - timedelta(days=1))
    bench.source.remove(*(f"{i:02}" for i in range(30)))
    report = bench.sync(full=True)
    assert (report.deleted, report.is_short) == (30, False)
    assert bench.texts().keys() == {"new"}
