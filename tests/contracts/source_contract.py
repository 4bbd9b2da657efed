"""What every Source promises, sentence by sentence, over a little upstream system that changes."""

from collections.abc import Callable
from typing import Protocol

import pytest

from rag.core.contracts import Source
from rag.core.errors import BadDocument, BadInput, RetryLater
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert


class World(Protocol):
    """An upstream system under the test's hand. `open` gives a new Source, as a new run does."""

    tells_every_key: bool

    def open(self) -> Source: ...

    def key(self, name: str) -> str:
        """The key under which the system lists the document."""

    def put(self, name: str, text: str, label: str = "public") -> None:
        """Write the document; over an older one this is an edit, a relabelling or a mending."""

    def remove(self, name: str) -> None: ...

    def spoil(self, name: str) -> None:
        """Make the document unreadable; its key is still known."""

    def obscure(self) -> None:
        """Add something whose key nobody can tell."""

    def vanish(self) -> None:
        """The whole system is gone."""


Make = Callable[[], World]
Check = Callable[[Make], None]

NAMES = ("anna", "berta", "cäsar", "dora", "emil")


def filled(make: Make) -> World:
    world = make()
    for name in NAMES:
        world.put(name, f"Text über {name}")
    return world


def upserts(changes: list[Change]) -> dict[str, Record]:
    return {change.record.key: change.record for change in changes if isinstance(change, Upsert)}


def last_cursor(changes: list[Change]) -> str:
    assert changes
    assert isinstance(changes[-1], Checkpoint)
    return changes[-1].cursor


def every_record_carries_the_name(make: Make) -> None:
    source = filled(make).open()
    found = upserts(list(source.changes(None)))
    assert {record.source for record in found.values()} == {source.name}


def none_yields_every_live_record(make: Make) -> None:
    world = filled(make)
    world.put("berta", "intern", "staff")
    world.remove("dora")
    found = upserts(list(world.open().changes(None)))
    assert set(found) == {world.key(name) for name in NAMES if name != "dora"}
    assert "Text über anna" in found[world.key("anna")].text
    assert found[world.key("anna")].labels == {"public"}
    assert found[world.key("berta")].labels == {"staff"}


def keys_are_unique_within_a_full_read(make: Make) -> None:
    changes = list(filled(make).open().changes(None))
    keys = [change.record.key for change in changes if isinstance(change, Upsert)]
    assert len(keys) == len(set(keys)) == len(NAMES)


def the_last_change_is_a_checkpoint(make: Make) -> None:
    world = filled(make)
    full = list(world.open().changes(None))
    again = list(world.open().changes(last_cursor(full)))
    last_cursor(again)
    world.spoil(NAMES[-1])
    last_cursor(list(world.open().changes(last_cursor(again))))


def what_did_not_change_is_not_yielded_again(make: Make) -> None:
    world = filled(make)
    cursor = last_cursor(list(world.open().changes(None)))
    assert not upserts(list(world.open().changes(cursor)))


def an_edit_after_the_cursor_is_seen(make: Make) -> None:
    world = filled(make)
    cursor = last_cursor(list(world.open().changes(None)))
    world.put("anna", "Text Über anna")
    world.put("neu", "Ganz neu")
    found = upserts(list(world.open().changes(cursor)))
    assert {world.key("anna"), world.key("neu")} <= found.keys()
    assert "Text Über anna" in found[world.key("anna")].text
    assert "Ganz neu" in found[world.key("neu")].text


def a_label_change_after_the_cursor_is_seen(make: Make) -> None:
    world = filled(make)
    cursor = last_cursor(list(world.open().changes(None)))
    world.put("anna", "Text über anna", "staff")
    found = upserts(list(world.open().changes(cursor)))
    assert world.key("anna") in found
    assert found[world.key("anna")].labels == {"staff"}


def every_checkpoint_resumes_without_loss(make: Make) -> None:
    world = filled(make)
    changes = list(world.open().changes(None))
    _resumed(world, changes)
    world.put("anna", "danach geändert")
    world.put("emil", "auch danach")
    for found in _resumed(world, changes):
        assert "danach geändert" in found[world.key("anna")].text
        assert "auch danach" in found[world.key("emil")].text


def _resumed(world: World, changes: list[Change]) -> list[dict[str, Record]]:
    """For each checkpoint, what a run has that broke off there and was taken up again."""
    runs: list[dict[str, Record]] = []
    for number, change in enumerate(changes):
        if isinstance(change, Checkpoint):
            rest = list(world.open().changes(change.cursor))
            runs.append(upserts(changes[:number]) | upserts(rest))
            assert set(runs[-1]) == {world.key(name) for name in NAMES}
    assert runs
    return runs


def an_unreadable_document_is_one_failure_and_the_run_goes_on(make: Make) -> None:
    world = filled(make)
    world.spoil("berta")
    changes = list(world.open().changes(None))
    failures = [change for change in changes if isinstance(change, Unreadable)]
    assert [failure.key for failure in failures] == [world.key("berta")]
    assert failures[0].reason
    assert set(upserts(changes)) == {world.key(name) for name in NAMES if name != "berta"}


def what_was_unreadable_is_seen_when_it_is_mended(make: Make) -> None:
    world = filled(make)
    world.spoil("berta")
    cursor = last_cursor(list(world.open().changes(None)))
    still = list(world.open().changes(cursor))
    assert [change.key for change in still if isinstance(change, Unreadable)] == [
        world.key("berta")
    ]
    world.put("berta", "wieder da")
    found = upserts(list(world.open().changes(last_cursor(still))))
    assert world.key("berta") in found
    assert "wieder da" in found[world.key("berta")].text


def an_outage_is_never_a_short_listing(make: Make) -> None:
    world = filled(make)
    cursor = last_cursor(list(world.open().changes(None)))
    world.vanish()
    for since, expected in ((cursor, RetryLater), (None, (RetryLater, BadInput))):
        with pytest.raises(expected):
            list(world.open().changes(since))
    with pytest.raises(RetryLater):
        _listed(world.open())


def keys_are_those_of_all_live_records(make: Make) -> None:
    world = filled(make)
    world.remove("dora")
    world.spoil("berta")
    listed = _listed(world.open())
    if listed is not None:
        assert sorted(listed) == sorted(world.key(name) for name in NAMES if name != "dora")


def keys_that_nobody_can_tell_are_an_error(make: Make) -> None:
    world = filled(make)
    world.obscure()
    failures = [change for change in world.open().changes(None) if isinstance(change, Unreadable)]
    assert [failure.key for failure in failures] == [None]
    if not world.tells_every_key:
        with pytest.raises(BadDocument):
            _listed(world.open())


def _listed(source: Source) -> list[str] | None:
    keys = source.keys()
    return None if keys is None else list(keys)


CHECKS: tuple[Check, ...] = (
    every_record_carries_the_name,
    none_yields_every_live_record,
    keys_are_unique_within_a_full_read,
    the_last_change_is_a_checkpoint,
    what_did_not_change_is_not_yielded_again,
    an_edit_after_the_cursor_is_seen,
    a_label_change_after_the_cursor_is_seen,
    every_checkpoint_resumes_without_loss,
    an_unreadable_document_is_one_failure_and_the_run_goes_on,
    what_was_unreadable_is_seen_when_it_is_mended,
    an_outage_is_never_a_short_listing,
    keys_are_those_of_all_live_records,
    keys_that_nobody_can_tell_are_an_error,
)
