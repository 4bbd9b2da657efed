"""The revocation log: what was taken away does not come back with an older version."""

import json
from pathlib import Path

import pytest

from indexes.generation import read_meta
from indexes.revocations import Revocation, RevocationLog
from rag.core.errors import Damaged
from tests.contracts.index_material import PUBLIC, embed, make
from tests.generations import STAFF, opened, put, roll_back, seen


@pytest.fixture
def folder(quick_path: Path) -> Path:
    # What stands in a URI for something else must not do so here.
    return quick_path / "a b?c#d%20" / "campus"


def log_of(folder: Path) -> RevocationLog:
    return RevocationLog(folder / "revocations.jsonl")


def test_an_older_version_forgets_nothing_that_was_revoked(folder: Path) -> None:
    both = STAFF | PUBLIC
    put(folder, *(make(key, "old", labels=both) for key in "abcde"))
    with opened(folder).write() as writer:
        writer.delete("wiki:a")
        writer.relabel("wiki:b", STAFF)
        narrowed = make("c", "new", labels=STAFF)
        writer.put([(narrowed, embed(narrowed)), (make("e", "new"), embed(make("e", "new")))])
        writer.publish()
    roll_back(folder, "g000001")
    with opened(folder).write() as writer:
        # Nothing else happens to it.
        assert writer.publish() == "g000003"
    assert seen(opened(folder)) == {"wiki:d": "old", "wiki:e": "old"}
    assert seen(opened(folder), STAFF) == {"wiki:b": "old", "wiki:c": "old", "wiki:d": "old"}
    assert read_meta(folder / "g000003").revocations == log_of(folder).end()
    with opened(folder).write() as writer:
        assert writer.publish() == "g000003"


def test_what_came_back_by_right_is_not_taken_away_again(folder: Path) -> None:
    put(folder, make("a", "first"))
    with opened(folder).write() as writer:
        writer.delete("wiki:a")
        writer.publish()
        writer.put([(make("a", "second"), embed(make("a", "second")))])
        writer.publish()
    put(folder, make("b"))
    assert seen(opened(folder))["wiki:a"] == "second"


def test_a_revocation_whose_run_was_killed_is_replayed(folder: Path) -> None:
    put(folder, make("a"), make("b"))
    log_of(folder).append([Revocation(record_id="wiki:a", labels=None)])
    put(folder, make("c"))
    assert seen(opened(folder)).keys() == {"wiki:b", "wiki:c"}


def test_a_torn_line_belongs_to_nobody(folder: Path) -> None:
    put(folder, make("a"), make("b"))
    log = log_of(folder)
    end = log.append([Revocation(record_id="wiki:ü", labels=STAFF)])
    with (folder / "revocations.jsonl").open("ab") as out:
        out.write(b'{"at": "2026-11-01T10:00:00+00:00", "id": "wiki:b", "la')
    assert log.end() == end
    assert list(log.since(0)) == [Revocation(record_id="wiki:ü", labels=STAFF)]
    put(folder, make("c"))
    assert seen(opened(folder)).keys() == {"wiki:a", "wiki:b", "wiki:c"}
    log.append([Revocation(record_id="wiki:x", labels=None)])
    assert [each.record_id for each in log.since(0)] == ["wiki:ü", "wiki:x"]
    lines = (folder / "revocations.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["wiki:ü", "wiki:x"]


def test_a_log_that_lost_its_end_is_damage(folder: Path) -> None:
    put(folder, make("a"))
    with opened(folder).write() as writer:
        writer.delete("wiki:a")
        writer.publish()
    (folder / "revocations.jsonl").unlink()
    with pytest.raises(Damaged, match=r"shorter \(0 bytes\).* Restore it from a backup"):
        put(folder, make("b"))
    # Reading goes on.
    assert not seen(opened(folder))


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"id": "a"}', '{"id": "a", "labels": 5}'])
def test_an_unreadable_line_is_damage(folder: Path, line: str) -> None:
    put(folder, make("a"))
    (folder / "revocations.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(Damaged, match="has a line that can't be read"):
        put(folder, make("b"))
    assert not (folder / "draft").exists()
