"""The Source contract over every connector, and over broken ones that must fail it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import files
from rag.core.contracts import Source
from rag.core.errors import BadDocument, RagError
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert
from tests.contracts import source_contract as contract
from tests.contracts.source_contract import NAMES, Check, World, last_cursor, upserts
from tests.contracts.source_worlds import WORLDS, ExportWorld, FilesWorld, RecordsWorld

AnyWorld = type[FilesWorld] | type[ExportWorld]


@pytest.fixture(autouse=True)
def _many_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHECKPOINT_EVERY", 2)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_the_contract_holds(world: Any, check: Check, tmp_path: Path) -> None:
    check(lambda: world(tmp_path))


def test_the_files_connector_gives_checkpoints_in_between(tmp_path: Path) -> None:
    world = contract.filled(lambda: FilesWorld(tmp_path))
    changes = list(world.open().changes(None))
    assert [type(change) for change in changes].count(Checkpoint) == 3


class Planted:
    """A sound source with one fault; the faults of one world share what they remember."""

    def __init__(self, sound: Source, memory: dict[str, Any]) -> None:
        self._sound = sound
        self._memory = memory

    @property
    def name(self) -> str:
        return self._sound.name

    def changes(self, since: str | None) -> Iterator[Change]:
        return self._sound.changes(since)

    def keys(self) -> Iterator[str] | None:
        return self._sound.keys()


class ForeignName(Planted):
    @property
    def name(self) -> str:
        return "another"


class ForgetsTheLast(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        changes = list(self._sound.changes(since))
        last = [change for change in changes if isinstance(change, Upsert)][-1:]
        return iter([change for change in changes if change not in last])


class SaysItTwice(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        for change in self._sound.changes(since):
            yield from [change, change]


class EndsWithoutCheckpoint(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        return iter(list(self._sound.changes(since))[:-1])


class StartsWithItsLastCheckpoint(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        changes = list(self._sound.changes(since))
        return iter([changes[-1], *changes])


class ReadsEverythingAlways(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        return self._sound.changes(None)


class DeafAfterTheFirstRun(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        return iter([Checkpoint(cursor=since)]) if since else self._sound.changes(None)


class DeafToLabels(Planted):
    """Decides by text alone what has changed."""

    def changes(self, since: str | None) -> Iterator[Change]:
        for change in self._sound.changes(since):
            if isinstance(change, Upsert):
                known = self._memory.get(change.record.key)
                self._memory[change.record.key] = change.record.text
                if since and known == change.record.text:
                    continue
            yield change


class StopsAtTheFirstFailure(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        for change in self._sound.changes(since):
            yield change
            if isinstance(change, Unreadable):
                yield Checkpoint(cursor="")
                return


class SwallowsFailures(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        found = self._sound.changes(since)
        return (change for change in found if not isinstance(change, Unreadable))


class NeverTriesAgain(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        lost: set[str | None] = self._memory.setdefault("lost", set())
        for change in self._sound.changes(since):
            if isinstance(change, Unreadable):
                if change.key in lost:
                    continue
                lost.add(change.key)
            if not (isinstance(change, Upsert) and change.record.key in lost):
                yield change


class TakesAnOutageForNothing(Planted):
    def changes(self, since: str | None) -> Iterator[Change]:
        try:
            yield from self._sound.changes(since)
        except RagError:
            yield Checkpoint(cursor=since or "")

    def keys(self) -> Iterator[str] | None:
        try:
            return iter(list(self._sound.keys() or ()))
        except RagError:
            return iter(())


class ListsOnlyWhatItCanRead(Planted):
    def keys(self) -> Iterator[str] | None:
        return iter(upserts(list(self._sound.changes(None))))


class RemembersTheDead(Planted):
    def keys(self) -> Iterator[str] | None:
        return iter([*(self._sound.keys() or ()), "gone"])


class PassesOverUnknownKeys(Planted):
    def keys(self) -> Iterator[str] | None:
        found: list[str] = []
        try:
            found.extend(self._sound.keys() or ())
        except BadDocument:
            return iter(found)
        return iter(found)


FAULTS: tuple[tuple[type[Planted], Check], ...] = (
    (ForeignName, contract.every_record_carries_the_name),
    (ForgetsTheLast, contract.none_yields_every_live_record),
    (SaysItTwice, contract.keys_are_unique_within_a_full_read),
    (EndsWithoutCheckpoint, contract.the_last_change_is_a_checkpoint),
    (ReadsEverythingAlways, contract.what_did_not_change_is_not_yielded_again),
    (DeafAfterTheFirstRun, contract.an_edit_after_the_cursor_is_seen),
    (DeafToLabels, contract.a_label_change_after_the_cursor_is_seen),
    (StartsWithItsLastCheckpoint, contract.every_checkpoint_resumes_without_loss),
    (StopsAtTheFirstFailure, contract.an_unreadable_document_is_one_failure_and_the_run_goes_on),
    (SwallowsFailures, contract.an_unreadable_document_is_one_failure_and_the_run_goes_on),
    (NeverTriesAgain, contract.what_was_unreadable_is_seen_when_it_is_mended),
    (TakesAnOutageForNothing, contract.an_outage_is_never_a_short_listing),
    (ListsOnlyWhatItCanRead, contract.keys_are_those_of_all_live_records),
    (RemembersTheDead, contract.keys_are_those_of_all_live_records),
    (PassesOverUnknownKeys, contract.keys_that_nobody_can_tell_are_an_error),
)


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for _, check in FAULTS} == set(contract.CHECKS)


@pytest.mark.parametrize(("fault", "check"), FAULTS, ids=lambda each: each.__name__)
def test_a_planted_fault_fails_the_contract(
    fault: type[Planted], check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: dict[str, Any] = {}
    sound: Callable[[RecordsWorld], Source] = RecordsWorld.open
    monkeypatch.setattr(RecordsWorld, "open", lambda self: fault(sound(self), memory))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(lambda: RecordsWorld(tmp_path))


Step = tuple[str, str, str]
STEPS = st.tuples(
    st.sampled_from(["put", "put", "staff", "remove", "spoil", "sync"]),
    st.sampled_from(NAMES),
    st.sampled_from(["eins", "zwei", "drei"]),
)


@pytest.mark.parametrize("kind", WORLDS, ids=lambda world: world.__name__)
@given(steps=st.lists(STEPS, max_size=12))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_mirror_that_follows_the_changes_is_the_system(
    kind: Any, steps: list[Step], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world: World = kind(tmp_path_factory.mktemp("world"))
    live: dict[str, tuple[str, str] | None] = {}
    mirror: dict[str, Record] = {}
    cursor = None
    for action, name, text in [*steps, ("sync", "", "")]:
        match action:
            case "sync":
                cursor = _follow(world.open(), mirror, cursor)
            case "remove":
                if live.pop(name, ...) is not ...:
                    world.remove(name)
            case "spoil" if name in live:
                world.spoil(name)
                live[name] = None
            case "put" | "staff":
                label = "staff" if action == "staff" else "public"
                world.put(name, text, label)
                live[name] = (text, label)
    readable = {world.key(name): seen for name, seen in live.items() if seen}
    assert mirror.keys() <= {world.key(name) for name in live}
    for key, (text, label) in readable.items():
        assert (mirror[key].text, mirror[key].labels) == (text, frozenset({label}))


def _follow(source: Source, mirror: dict[str, Record], cursor: str | None) -> str:
    """What a sync does: apply the changes, then drop what is not listed any more."""
    changes = list(source.changes(cursor))
    mirror.update(upserts(changes))
    listed = set(source.keys() or ())
    for key in mirror.keys() - listed:
        del mirror[key]
    return last_cursor(changes)
