"""The records connector: one bad line costs one line, and says which and why."""

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import RecordsConnector
from rag.core.definitions.sources import RecordsSource
from rag.core.errors import BadDocument, BadInput, RetryLater
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert

LINE: dict[str, Any] = {
    "key": "4711",
    "kind": "ticket",
    "title": "WLAN im Pool",
    "text": "## Anfrage\n\ngeht nicht",
    "labels": ["public"],
}
FACETS = {"queue": {}, "hours": {"type": "number"}, "tags": {"many": True}}


def source(path: Path, **fields: Any) -> RecordsConnector:
    definition = {
        "kind": "records",
        "path": path,
        "allowed_labels": ["public", "staff"],
        "facets": FACETS,
        **fields,
    }
    return RecordsConnector("tickets", RecordsSource.model_validate(definition))


def line(**fields: Any) -> str:
    return json.dumps({**LINE, **fields}, ensure_ascii=False)


def export(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "tickets.jsonl"
    path.write_bytes(
        b"".join((each if isinstance(each, bytes) else each.encode()) + b"\n" for each in lines)
    )
    return path


def read(path: Path, **fields: Any) -> list[Change]:
    return list(source(path, **fields).changes(None))


def records(changes: list[Change]) -> list[Record]:
    return [change.record for change in changes if isinstance(change, Upsert)]


def reason(changes: list[Change]) -> str:
    (failure,) = [change for change in changes if isinstance(change, Unreadable)]
    return failure.reason


def cursor(changes: list[Change]) -> str:
    assert isinstance(changes[-1], Checkpoint)
    return changes[-1].cursor


def test_a_line_becomes_a_record(tmp_path: Path) -> None:
    text = line(
        source="tickets",
        url="https://tickets.example/4711",
        labels=["staff", "public"],
        language="de",
        updated_at="2026-10-01T08:30:00+02:00",
        valid_until="2027-01-01T00:00:00Z",
        partition="2026W",
        facets={"queue": "wlan", "hours": 2, "tags": ["a", "b"]},
    )
    (record,) = records(read(export(tmp_path, text)))
    assert record.id == "tickets:4711"
    assert (record.kind, record.title, record.text) == ("ticket", LINE["title"], LINE["text"])
    assert (record.url, record.language) == ("https://tickets.example/4711", "de")
    assert record.labels == {"staff", "public"}
    assert record.partition == "2026W"
    assert record.facets == {"queue": "wlan", "hours": 2.0, "tags": ("a", "b")}
    assert record.updated_at is not None
    assert record.valid_until is not None
    assert record.updated_at.isoformat() == "2026-10-01T08:30:00+02:00"
    assert record.valid_until.isoformat() == "2027-01-01T00:00:00+00:00"


def test_blank_lines_and_a_mark_at_the_beginning_are_no_records(tmp_path: Path) -> None:
    path = export(tmp_path, b"\xef\xbb\xbf" + line().encode(), "", "  ", line(key="2"))
    assert [record.key for record in records(read(path))] == ["4711", "2"]
    assert list(source(path).keys()) == ["4711", "2"]


def test_no_labels_are_nobody(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, line(labels=[]))))
    assert record.labels == frozenset()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"titel": "x"}, "titel is not known. Did you mean “title”?"),
        ({"labels": ["public", "studends"]}, "studends is not allowed here"),
        ({"labels": ["Not A Label"]}, "labels"),
        ({"labels": "public"}, "labels"),
        ({"labels": None}, "labels"),
        ({"kind": "mail"}, "kind"),
        ({"text": "  \n"}, "text is empty"),
        ({"text": 3}, "text"),
        ({"text": "a\0b"}, "NUL"),
        ({"language": "fr"}, "language"),
        ({"updated_at": "2026-10-01T08:30:00"}, "updated_at"),
        ({"updated_at": 1790000000}, "updated_at"),
        ({"valid_until": "bald"}, "valid_until"),
        ({"url": "javascript:alert(1)"}, "no http address"),
        ({"facets": {"queu": "wlan"}}, "facet queu is not declared"),
        ({"facets": {"hours": "zwei"}}, "facet hours is not a number"),
        ({"source": "wiki"}, "another source"),
    ],
)
def test_a_wrong_field_costs_its_line_and_is_named(
    tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    path = export(tmp_path, line(key="1"), line(key="2", **fields), line(key="3"))
    changes = read(path)
    assert [record.key for record in records(changes)] == ["1", "3"]
    (failure,) = [change for change in changes if isinstance(change, Unreadable)]
    assert failure.key == "2"
    assert "tickets.jsonl, line 2: " in failure.reason
    assert expected in failure.reason
    assert list(source(path).keys()) == ["1", "2", "3"]


def test_a_missing_label_is_not_everybody(tmp_path: Path) -> None:
    text = json.dumps({name: value for name, value in LINE.items() if name != "labels"})
    changes = read(export(tmp_path, text))
    assert "labels: Field required" in reason(changes)
    assert not records(changes)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("{broken", "not valid JSON"),
        ("[]", "no JSON object with a key"),
        ('"4711"', "no JSON object with a key"),
        ("{}", "no JSON object with a key"),
        ('{"key": 4711}', "no JSON object with a key"),
        ('{"key": ""}', "key is empty"),
        ('{"key": "a\\nb"}', "key is empty, too long"),
        ('{"key": "\\ud800"}', "key is empty, too long"),
        (b'{"key": "\xff"}', "not UTF-8"),
        ("[" * 100_000, "not valid JSON"),
        (b"\x89PNG\r\0\x1a", "not UTF-8"),
        ('{"key": "5", "labels": ["staff"], "labels": ["public"]}', "stands twice"),
        ('{"key": ' + "9" * 5_000 + "}", "not valid JSON"),
    ],
)
def test_a_line_without_a_key_is_one_failure_and_no_complete_listing(
    tmp_path: Path, bad: str | bytes, expected: str
) -> None:
    path = export(tmp_path, line(key="1"), bad, line(key="3"))
    changes = read(path)
    assert [record.key for record in records(changes)] == ["1", "3"]
    assert [c.key for c in changes if isinstance(c, Unreadable)] == [None]
    assert expected in reason(changes)
    with pytest.raises(BadDocument, match="Line 2"):
        list(source(path).keys())


def test_a_reason_does_not_repeat_what_stands_in_the_line(tmp_path: Path) -> None:
    changes = read(export(tmp_path, line(language="geheim-12345", text=5)))
    assert "geheim-12345" not in reason(changes)


def test_the_second_line_of_a_key_is_a_failure(tmp_path: Path) -> None:
    path = export(tmp_path, line(text="eins"), line(text="zwei"))
    changes = read(path)
    assert [record.text for record in records(changes)] == ["eins"]
    assert "stood in an earlier line" in reason(changes)
    assert list(source(path).keys()) == ["4711"]


def test_a_line_of_50_mb_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    path = export(tmp_path, line(key="1"), line(key="2", text="x" * 50_000_000), line(key="3"))
    tracemalloc.start()
    changes = read(path, max_line_bytes=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [record.key for record in records(changes)] == ["1", "3"]
    assert "more than 100,000 bytes" in reason(changes)
    assert peak < 5_000_000
    with pytest.raises(BadDocument, match="Line 2"):
        list(source(path, max_line_bytes=100_000).keys())


def test_an_unchanged_file_is_only_a_checkpoint(tmp_path: Path) -> None:
    path = export(tmp_path, line(key="1"), line(key="2"))
    since = cursor(read(path))
    assert [type(change) for change in source(path).changes(since)] == [Checkpoint]
    export(tmp_path, line(key="1"), line(key="2"))
    assert len(records(list(source(path).changes(since)))) == 2


def test_other_allowed_labels_read_the_file_anew(tmp_path: Path) -> None:
    path = export(tmp_path, line())
    since = cursor(read(path))
    changes = list(source(path, allowed_labels=["public"]).changes(since))
    assert len(records(changes)) == 1


def test_several_exports_are_one_source(tmp_path: Path) -> None:
    for month in ("2026-09", "2026-10"):
        (tmp_path / f"{month}.jsonl").write_text(line(key=month) + "\n")
    (tmp_path / "notes.txt").write_text("no export")
    for path in (tmp_path, tmp_path / "2026-*.jsonl"):
        since = cursor(read(path))
        assert [record.key for record in records(read(path))] == ["2026-09", "2026-10"]
        assert len(list(source(path).changes(since))) == 1
    (tmp_path / "2026-11.jsonl").write_text(line(key="2026-11") + "\n")
    assert len(records(list(source(tmp_path).changes(since)))) == 3


def test_an_empty_file_is_no_source_without_records(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    path.touch()
    with pytest.raises(BadInput, match="is empty"):
        read(path)
    with pytest.raises(BadInput, match="is empty"):
        list(source(path).keys())
    path.write_text("\n")
    assert [type(change) for change in read(path)] == [Checkpoint]
    assert list(source(path).keys()) == []


def test_a_file_that_is_not_there_is_a_mistake_and_one_that_was_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    with pytest.raises(BadInput, match=r"there is no \.jsonl or \.ndjson file") as caught:
        read(path)
    assert not isinstance(caught.value, RetryLater)
    since = cursor(read(export(tmp_path, line())))
    path.unlink()
    with pytest.raises(RetryLater, match="gone"):
        list(source(path).changes(since))
    with pytest.raises(RetryLater, match="gone"):
        list(source(path).keys())


def test_a_file_that_is_written_while_it_is_read_is_not_complete(tmp_path: Path) -> None:
    path = export(tmp_path, line(key="1"), line(key="2"))
    changes = source(path).changes(None)
    keys = source(path).keys()
    next(changes)
    next(keys)
    with path.open("a") as handle:
        handle.write(line(key="3") + "\n")
    with pytest.raises(RetryLater, match="while it was read"):
        list(changes)
    with pytest.raises(RetryLater, match="while it was read"):
        list(keys)


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(tmp_path, line())

    def locked(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", locked)
    with pytest.raises(BadInput, match=r"tickets\.jsonl: The file may not be read"):
        read(path)


def test_a_pipe_is_no_export(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tickets.jsonl")
    with pytest.raises(BadInput, match="no regular file"):
        read(tmp_path / "tickets.jsonl")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
FIELDS = st.sampled_from([*LINE, "url", "language", "updated_at", "facets", "source", "other"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(), st.dictionaries(FIELDS, JSON).map(lambda d: {**LINE, **d}))))
def test_no_line_stops_a_run(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes | dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    texts = [each if isinstance(each, bytes) else json.dumps(each) for each in lines]
    changes = read(export(folder, "", *texts, line(key="the last one")))
    assert isinstance(changes[-1], Checkpoint)
    assert records(changes)[-1].key == "the last one"
    keys = [record.key for record in records(changes)]
    assert len(keys) == len(set(keys))
