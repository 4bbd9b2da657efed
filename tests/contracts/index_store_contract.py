"""What every IndexStore and every IndexWriter promises, sentence by sentence."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rag.core.contracts import IndexStore, LedgerEntry
from rag.core.errors import Busy, NotFound
from rag.core.filters import Eq, Not
from tests.contracts.index_material import (
    NOBODY,
    PUBLIC,
    Check,
    Engine,
    embed,
    everything,
    expected,
    ids,
    make,
    request,
    store_all,
)


def cannot_pin(store: IndexStore, reason: str) -> None:
    with ExitStack() as stack, pytest.raises(NotFound, match=reason):
        stack.enter_context(store.pin())


def before_the_first_publish_nothing_can_be_pinned(engine: Engine) -> None:
    store = engine.open()
    cannot_pin(store, "never been built")
    with store.write() as writer:
        writer.put([(make("a"), embed(make("a")))])
        cannot_pin(engine.open(), "never been built")


def a_built_index_answers_a_ping(engine: Engine) -> None:
    store_all(engine.open(), make("a"))
    store = engine.open()
    store.ping()
    assert store.name == "campus"


def the_version_is_the_one_that_was_published(engine: Engine) -> None:
    version = store_all(engine.open(), make("a"))
    assert version
    with engine.open().pin() as index:
        assert index.version == version


def an_open_store_sees_what_was_published_since(engine: Engine) -> None:
    reader = engine.open()
    store_all(engine.open(), make("a"))
    with reader.pin() as index:
        assert everything(index).keys() == expected(make("a")).keys()
    store_all(engine.open(), make("b"))
    with reader.pin() as index:
        assert everything(index).keys() == expected(make("a"), make("b")).keys()


def a_pinned_version_does_not_change(engine: Engine) -> None:
    if engine.in_place:
        return
    store_all(engine.open(), make("a"))
    reader = engine.open()
    with reader.pin() as index:
        version = index.version
        store_all(engine.open(), make("a", "something else"), make("b"))
        with reader.pin() as newer:
            assert newer.version != version
        assert everything(index) == expected(make("a"))
        assert ids(index.search(request()).dense) == {"wiki:a"}
        assert index.version == version


def there_is_one_writer_at_a_time(engine: Engine) -> None:
    with ExitStack() as stack:
        stack.enter_context(engine.open().write())
        with pytest.raises(Busy):
            stack.enter_context(engine.open().write())
    with engine.open().write() as writer:
        assert writer.fresh


def leaving_without_publish_leaves_the_published_version(engine: Engine) -> None:
    with engine.open().write() as writer:
        writer.put([(make("a"), embed(make("a")))])
    cannot_pin(engine.open(), "never been built")
    store_all(engine.open(), make("b"))
    if not engine.in_place:
        with engine.open().write() as writer:
            writer.put([(make("c"), embed(make("c")))])
            writer.delete("wiki:b")
    with engine.open().pin() as index:
        assert everything(index) == expected(make("b"))


def another_schema_begins_a_fresh_version(engine: Engine) -> None:
    with engine.open().write() as writer:
        before = writer.fresh
        writer.put([(make("a"), embed(make("a")))])
        writer.set_cursor("wiki", "17")
        writer.publish()
        assert (before, writer.fresh) == (True, False)
    with engine.open().write() as writer:
        assert not writer.fresh
    with engine.open_other().write() as writer:
        assert writer.fresh
        assert writer.cursor("wiki") is None
        assert not list(writer.entries("wiki"))


def a_version_of_another_schema_is_not_read(engine: Engine) -> None:
    store_all(engine.open(), make("a"))
    cannot_pin(engine.open_other(), "other settings")


# --- the writer ------------------------------------------------------------------------------


def put_replaces_the_former_version(engine: Engine) -> None:
    store_all(engine.open(), make("a", "old words"), make("b"))
    store_all(engine.open(), make("a", "new words", title="New"))
    with engine.open().pin() as index:
        assert everything(index) == expected(make("a", "new words", title="New"), make("b"))


def put_removes_surplus_passages(engine: Engine) -> None:
    store_all(engine.open(), make("a", "one\n\ntwo\n\nthree\n\nfour"), make("b", "x\n\ny"))
    store_all(engine.open(), make("a", "one\n\ntwo"))
    with engine.open().pin() as index:
        assert everything(index) == expected(make("a", "one\n\ntwo"), make("b", "x\n\ny"))
        assert len(index.search(request("three", limit=50)).dense) == 4


def a_put_within_one_writer_counts(engine: Engine) -> None:
    with engine.open().write() as writer:
        for text in ("one\n\ntwo\n\nthree", "one"):
            record = make("a", text)
            writer.put([(record, embed(record))])
        writer.publish()
    with engine.open().pin() as index:
        assert everything(index) == expected(make("a", "one"))


def relabel_changes_access_and_nothing_else(engine: Engine) -> None:
    page, other = make("a", "one\n\ntwo\n\nthree"), make("b")
    store_all(engine.open(), page, other)
    staff = frozenset({"staff"})
    with engine.open().pin() as index:
        before = index.search(request("two")).dense
    with engine.open().write() as writer:
        writer.relabel(page.id, staff)
        entry = writer.entry(page.id)
        assert entry is not None
        assert entry.labels == staff
        assert entry.digest == page.digest()
        writer.publish()
    with engine.open().pin() as index:
        assert everything(index) == expected(other)
        assert everything(index, staff) == expected(replace(page, labels=staff))
        after = index.search(request("two", labels=staff | PUBLIC)).dense
    assert [(hit.passage.id, round(hit.score, 5)) for hit in after] == [
        (hit.passage.id, round(hit.score, 5)) for hit in before
    ]


def delete_removes_every_passage(engine: Engine) -> None:
    store_all(engine.open(), make("a", "one\n\ntwo"), make("b"))
    with engine.open().write() as writer:
        writer.delete("wiki:a")
        assert writer.entry("wiki:a") is None
        writer.publish()
    with engine.open().pin() as index:
        assert everything(index) == expected(make("b"))
        assert ids(index.search(request("two", limit=50)).dense) == {"wiki:b"}
    with engine.open().write() as writer:
        assert [entry.record_id for entry in writer.entries("wiki")] == ["wiki:b"]


def an_unknown_id_is_no_error(engine: Engine) -> None:
    store_all(engine.open(), make("a"))
    with engine.open().write() as writer:
        writer.delete("wiki:never")
        writer.relabel("wiki:never", PUBLIC)
        writer.publish()
    with engine.open().pin() as index:
        assert everything(index) == expected(make("a"))


def every_call_is_idempotent(engine: Engine) -> None:
    kept, gone = make("a", "one\n\ntwo", labels=frozenset({"staff"})), make("b")
    for _ in range(2):
        with engine.open().write() as writer:
            for _ in range(2):
                writer.put([(make("a", "one\n\ntwo"), embed(make("a", "one\n\ntwo")))])
                writer.put([(gone, embed(gone))])
                writer.relabel(kept.id, kept.labels)
                writer.delete(gone.id)
                writer.delete(gone.id)
                writer.set_cursor("wiki", "5")
            writer.publish()
        with engine.open().pin() as index:
            assert everything(index, kept.labels) == expected(kept)
            assert index.count(labels=kept.labels) == 1
            assert not everything(index)
        with engine.open().write() as writer:
            assert [entry.record_id for entry in writer.entries("wiki")] == [kept.id]


def entries_tell_what_is_in_the_index(engine: Engine) -> None:
    course = make(
        "c",
        "one\n\ntwo",
        source="courses",
        partition="2026w",
        valid_until=datetime(2027, 3, 31, tzinfo=UTC),
        labels=frozenset({"staff", "students"}),
    )
    store_all(engine.open(), course, make("a"), make("nobody", labels=NOBODY))
    with engine.open().write() as writer:
        assert list(writer.entries("courses")) == [
            LedgerEntry(
                record_id="courses:c",
                source="courses",
                partition="2026w",
                digest=course.digest(),
                labels=course.labels,
                passages=2,
                valid_until="2027-03-31T00:00:00+00:00",
            )
        ]
        assert {entry.record_id for entry in writer.entries("wiki")} == {"wiki:a", "wiki:nobody"}
        assert writer.entry("courses:c") == next(iter(writer.entries("courses")))
        assert writer.entry("courses:d") is None
        assert not list(writer.entries("other"))


def entries_may_be_deleted_while_they_are_listed(engine: Engine) -> None:
    records = [make(f"{i:04}") for i in range(1200)]
    store_all(engine.open(), *records)
    with engine.open().write() as writer:
        for entry in writer.entries("wiki"):
            if entry.record_id != "wiki:0600":
                writer.delete(entry.record_id)
        writer.publish()
    with engine.open().pin() as index:
        assert everything(index) == expected(records[600])


def a_cursor_lives_beside_the_data(engine: Engine) -> None:
    with engine.open().write() as writer:
        assert writer.cursor("wiki") is None
        writer.put([(make("a"), embed(make("a")))])
        writer.set_cursor("wiki", "Zürich|1")
        writer.set_cursor("courses", "2")
        assert writer.cursor("wiki") == "Zürich|1"
        writer.publish()
    with engine.open().write() as writer:
        assert writer.cursor("wiki") == "Zürich|1"
        writer.set_cursor("wiki", "3")
        writer.set_cursor("courses", None)
        writer.publish()
        assert writer.cursor("wiki") == "3"
    with engine.open().write() as writer:
        assert (writer.cursor("wiki"), writer.cursor("courses")) == ("3", None)


def a_cursor_is_not_durable_before_its_data(engine: Engine) -> None:
    store_all(engine.open(), make("a"))
    with engine.open().write() as writer:
        writer.put([(make("b"), embed(make("b")))])
        writer.set_cursor("wiki", "9")
    with engine.open().write() as writer:
        is_there = writer.entry("wiki:b") is not None
        assert (writer.cursor("wiki") == "9") is is_there
        assert is_there is engine.in_place


def a_cursor_is_nothing_that_can_be_found(engine: Engine) -> None:
    with engine.open().write() as writer:
        writer.put([(make("a"), embed(make("a")))])
        writer.set_cursor("wiki", "public")
        writer.publish()
    labels = frozenset({"public", "cursor", "note", "schema", "wiki", ""})
    with engine.open().pin() as index:
        assert everything(index, labels) == expected(make("a"))
        assert index.count(labels=labels) == 1
        assert index.count(labels=labels, filter=Not(filter=Eq(field="level", value="x"))) == 1
        assert ids(index.search(request("public", labels=labels, limit=50)).dense) == {"wiki:a"}
        assert len(everything(index, frozenset({"cursor", "note", "schema", ""}))) == 0


def a_writer_may_go_on_after_publish(engine: Engine) -> None:
    with engine.open().write() as writer:
        writer.put([(make("a"), embed(make("a"))), (make("b"), embed(make("b")))])
        writer.publish()
        writer.delete("wiki:a")
        writer.put([(make("c"), embed(make("c")))])
        with engine.open().pin() as index:
            assert engine.in_place or everything(index) == expected(make("a"), make("b"))
        version = writer.publish()
        with engine.open().pin() as index:
            assert index.version == version
            assert everything(index) == expected(make("b"), make("c"))
        assert {entry.record_id for entry in writer.entries("wiki")} == {"wiki:b", "wiki:c"}


def an_empty_index_can_be_published(engine: Engine) -> None:
    with engine.open().write() as writer:
        writer.put([])
        writer.publish()
    with engine.open().pin() as index:
        assert not everything(index)
        assert index.count(labels=PUBLIC) == 0
        assert not index.facets("level", labels=PUBLIC)
        hits = index.search(request())
        assert (hits.dense, hits.sparse) == ((), ())


def deletes_and_narrowed_labels_are_revoked(engine: Engine) -> None:
    two = frozenset({"public", "staff"})
    store_all(engine.open(), *(make(key, labels=two) for key in "abcd"), make("e"))
    assert not engine.revoked()
    with engine.open().write() as writer:
        writer.delete("wiki:a")
        writer.delete("wiki:never")
        writer.relabel("wiki:b", frozenset({"staff"}))
        writer.relabel("wiki:c", two | {"students"})
        narrowed = make("d", "new", labels=PUBLIC)
        writer.put([(narrowed, embed(narrowed)), (make("e", "new"), embed(make("e", "new")))])
        writer.publish()
    assert sorted(engine.revoked(), key=lambda each: each[0]) == [
        ("wiki:a", None),
        ("wiki:b", frozenset({"staff"})),
        ("wiki:d", PUBLIC),
    ]


CHECKS: tuple[Check, ...] = (
    before_the_first_publish_nothing_can_be_pinned,
    a_built_index_answers_a_ping,
    the_version_is_the_one_that_was_published,
    an_open_store_sees_what_was_published_since,
    a_pinned_version_does_not_change,
    there_is_one_writer_at_a_time,
    leaving_without_publish_leaves_the_published_version,
    another_schema_begins_a_fresh_version,
    a_version_of_another_schema_is_not_read,
    put_replaces_the_former_version,
    put_removes_surplus_passages,
    a_put_within_one_writer_counts,
    relabel_changes_access_and_nothing_else,
    delete_removes_every_passage,
    an_unknown_id_is_no_error,
    every_call_is_idempotent,
    entries_tell_what_is_in_the_index,
    entries_may_be_deleted_while_they_are_listed,
    a_cursor_lives_beside_the_data,
    a_cursor_is_not_durable_before_its_data,
    a_cursor_is_nothing_that_can_be_found,
    a_writer_may_go_on_after_publish,
    an_empty_index_can_be_published,
    deletes_and_narrowed_labels_are_revoked,
)
