"""The runs contract passes on SQLite, and fails on each planted fault."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.core.contracts import Run, RunKind, RunOutcome
from rag.core.errors import BadInput, NotFound
from rag.store.database import open_database, sqlite_url
from rag.store.runs import Runs
from tests.contracts import runs_contract as contract


@pytest.fixture
def two_stores(tmp_path: Path) -> Iterator[tuple[Runs, Runs]]:
    url = sqlite_url(tmp_path / "runs.sqlite")
    one, other = open_database(url), open_database(url)
    yield Runs(one), Runs(other)
    one.close()
    other.close()


@pytest.mark.parametrize("check", contract.CHECKS)
def test_sqlite(check: contract.Check, two_stores: tuple[Runs, Runs]) -> None:
    check(*two_stores)


class Faulty:
    """Wraps a good store; every fault overrides one thing."""

    def __init__(self, good: Runs) -> None:
        self.good = good

    def start(self, kind: RunKind, name: str) -> Run:
        return self.good.start(kind, name)

    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        return self.good.end(run, outcome, report)

    def latest(self, kind: RunKind, name: str) -> Run | None:
        return self.good.latest(kind, name)


class StartsYesterday(Faulty):
    def start(self, kind: RunKind, name: str) -> Run:
        run = super().start(kind, name)
        return replace(run, started_at=run.started_at - timedelta(days=1))


class LosesTheZone(Faulty):
    def latest(self, kind: RunKind, name: str) -> Run | None:
        run = super().latest(kind, name)
        return run and replace(run, started_at=run.started_at.replace(tzinfo=None))


class OneId(Faulty):
    def start(self, kind: RunKind, name: str) -> Run:
        return replace(super().start(kind, name), id=1)


class EndsAtTheStart(Faulty):
    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        return replace(super().end(run, outcome, report), ended_at=run.started_at)


class SortsTheReport(Faulty):
    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        return super().end(run, outcome, dict(sorted(report.items())))


class KeepsToItself(Faulty):
    def __init__(self, good: Runs) -> None:
        super().__init__(good)
        self.mine: set[int] = set()

    def start(self, kind: RunKind, name: str) -> Run:
        run = super().start(kind, name)
        self.mine.add(run.id)
        return run

    def latest(self, kind: RunKind, name: str) -> Run | None:
        run = super().latest(kind, name)
        return run if run and run.id in self.mine else None


class FirstIsLatest(Faulty):
    def __init__(self, good: Runs) -> None:
        super().__init__(good)
        self.first: Run | None = None

    def start(self, kind: RunKind, name: str) -> Run:
        run = super().start(kind, name)
        self.first = self.first or run
        return run

    def latest(self, kind: RunKind, name: str) -> Run | None:
        return self.first


class ForgetsTheKind(Faulty):
    def latest(self, kind: RunKind, name: str) -> Run | None:
        return super().latest("evaluate", name) or super().latest(kind, name)


class InventsARun(Faulty):
    def latest(self, kind: RunKind, name: str) -> Run | None:
        none = Run(id=0, kind=kind, name=name, started_at=datetime.now(UTC))
        return super().latest(kind, name) or none


class EndsAnything(Faulty):
    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        try:
            return super().end(run, outcome, report)
        except NotFound:
            return replace(run, outcome=outcome, report=report)


class EndsTwice(Faulty):
    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        try:
            return super().end(run, outcome, report)
        except BadInput:
            return replace(run, outcome=outcome, report=report)


class StoresAnything(Faulty):
    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        try:
            return super().end(run, outcome, report)
        except BadInput:
            return super().end(run, outcome, {})


FAULTS: dict[contract.Check, type[Faulty]] = {
    contract.a_run_begins_now: StartsYesterday,
    contract.times_are_aware_and_utc: LosesTheZone,
    contract.ids_are_never_shared: OneId,
    contract.a_run_ends_now: EndsAtTheStart,
    contract.the_report_comes_back_as_given: SortsTheReport,
    contract.what_was_stored_every_process_sees: KeepsToItself,
    contract.the_latest_is_the_one_started_last: FirstIsLatest,
    contract.kinds_and_names_are_kept_apart: ForgetsTheKind,
    contract.before_the_first_run_there_is_none: InventsARun,
    contract.an_unknown_run_cannot_end: EndsAnything,
    contract.a_run_ends_once: EndsTwice,
    contract.only_json_is_stored: StoresAnything,
}


def test_every_sentence_has_a_planted_fault() -> None:
    assert set(FAULTS) == set(contract.CHECKS)


@pytest.mark.parametrize("check", contract.CHECKS)
def test_the_contract_catches_the_fault(
    check: contract.Check, two_stores: tuple[Runs, Runs]
) -> None:
    fault = FAULTS[check]
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(fault(two_stores[0]), fault(two_stores[1]))
