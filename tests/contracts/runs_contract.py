"""What every RunStore promises, sentence by sentence.

Each check takes two stores over one and the same memory, as two processes would have them. Names
are the check's own, so that all of them may share one database.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from rag.core.contracts import Run, RunStore
from rag.core.errors import BadInput, NotFound

Check = Callable[[RunStore, RunStore], None]

REPORT: dict[str, Any] = {
    "name": "Prüfung „Wlan“ 🎓",
    "nothing": None,
    "numbers": [0, -1, 0.1, 1e-9, 2**53],
    "flags": {"yes": True, "no": False},
    "odd": "nul \x00 and half a pair \ud83c",
    "z": 1,
    "a": {"deep": [{"er": []}]},
}


def a_run_begins_now(store: RunStore, other: RunStore) -> None:
    before = datetime.now(UTC)
    run = store.start("sync", "begins")
    assert (run.kind, run.name) == ("sync", "begins")
    assert before <= run.started_at <= datetime.now(UTC)
    assert (run.ended_at, run.outcome, run.report) == (None, None, None)


def times_are_aware_and_utc(store: RunStore, other: RunStore) -> None:
    store.end(store.start("sync", "times"), "done", {})
    run = other.latest("sync", "times")
    assert run is not None
    assert run.ended_at is not None
    assert run.started_at.utcoffset() == run.ended_at.utcoffset() == timedelta(0)


def ids_are_never_shared(store: RunStore, other: RunStore) -> None:
    ids = [each.start("sync", name).id for each in (store, other) for name in ("ids", "ids-2")]
    assert len(set(ids)) == len(ids)


def a_run_ends_now(store: RunStore, other: RunStore) -> None:
    run = store.start("evaluate", "ends")
    before = datetime.now(UTC)
    ended = store.end(run, "short", {"a": 1})
    assert ended.ended_at is not None
    assert before <= ended.ended_at <= datetime.now(UTC)
    assert (ended.id, ended.started_at, ended.outcome) == (run.id, run.started_at, "short")


def the_report_comes_back_as_given(store: RunStore, other: RunStore) -> None:
    ended = store.end(store.start("evaluate", "report"), "done", REPORT)
    assert ended.report == REPORT
    assert list(ended.report) == list(REPORT)
    empty = store.end(store.start("evaluate", "report-empty"), "done", {})
    assert empty.report == {}


def what_was_stored_every_process_sees(store: RunStore, other: RunStore) -> None:
    run = store.start("sync", "seen")
    assert other.latest("sync", "seen") == run
    ended = store.end(run, "failed", REPORT)
    assert other.latest("sync", "seen") == ended


def the_latest_is_the_one_started_last(store: RunStore, other: RunStore) -> None:
    first = store.start("sync", "latest")
    second = other.start("sync", "latest")
    store.end(first, "done", {})
    latest = store.latest("sync", "latest")
    assert latest is not None
    assert latest.id == second.id


def kinds_and_names_are_kept_apart(store: RunStore, other: RunStore) -> None:
    run = store.start("sync", "apart")
    store.start("evaluate", "apart")
    store.start("sync", "apart-2")
    assert store.latest("sync", "apart") == run


def before_the_first_run_there_is_none(store: RunStore, other: RunStore) -> None:
    assert store.latest("sync", "never") is None


def an_unknown_run_cannot_end(store: RunStore, other: RunStore) -> None:
    known = store.start("sync", "unknown")
    unknown = Run(id=known.id + 999_999, kind="sync", name="unknown", started_at=known.started_at)
    with pytest.raises(NotFound):
        store.end(unknown, "done", {})


def a_run_ends_once(store: RunStore, other: RunStore) -> None:
    run = store.start("sync", "once")
    ended = store.end(run, "done", {"first": True})
    with pytest.raises(BadInput):
        other.end(run, "failed", {"first": False})
    assert store.latest("sync", "once") == ended


def only_json_is_stored(store: RunStore, other: RunStore) -> None:
    run = store.start("sync", "json")
    wrong: tuple[Any, ...] = (float("nan"), datetime.now(UTC), (1, 2), {1: 2}, object())
    for value in wrong:
        with pytest.raises(BadInput):
            store.end(run, "done", {"value": cast(Any, value)})
    assert store.latest("sync", "json") == run


CHECKS: tuple[Check, ...] = (
    a_run_begins_now,
    times_are_aware_and_utc,
    ids_are_never_shared,
    a_run_ends_now,
    the_report_comes_back_as_given,
    what_was_stored_every_process_sees,
    the_latest_is_the_one_started_last,
    kinds_and_names_are_kept_apart,
    before_the_first_run_there_is_none,
    an_unknown_run_cannot_end,
    a_run_ends_once,
    only_json_is_stored,
)
