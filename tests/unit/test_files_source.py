"""The files connector: what a folder can do to a reader, and what a reader must never do."""

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.files import FilesConnector
from rag.core.definitions.sources import FilesSource
from rag.core.errors import BadInput, RetryLater
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert
from tests.documents import handbook, pdf_bytes

EVERYBODY = [{"match": "**", "labels": ["public"]}]


def source(root: Path, **fields: Any) -> FilesConnector:
    definition = {"kind": "files", "path": root, "labels": EVERYBODY, **fields}
    return FilesConnector("wiki", FilesSource.model_validate(definition))


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def records(changes: list[Change]) -> dict[str, Record]:
    return {change.record.key: change.record for change in changes if isinstance(change, Upsert)}


def failures(changes: list[Change]) -> dict[str | None, str]:
    return {change.key: change.reason for change in changes if isinstance(change, Unreadable)}


def cursor(changes: list[Change]) -> str:
    assert isinstance(changes[-1], Checkpoint)
    return changes[-1].cursor


def read(root: Path, **fields: Any) -> list[Change]:
    return list(source(root, **fields).changes(None))


# --- records ---------------------------------------------------------------------------------


def test_a_page_becomes_a_record(tmp_path: Path) -> None:
    write(tmp_path, {"de/VPN einrichten.md": "---\nupdated: 2026-10-01\n---\n# VPN\n\nText"})
    found = records(
        read(
            tmp_path,
            url="https://wiki.example/{name}?p={path}&s={stem}",
            labels=[{"match": "de/**", "labels": ["public", "guests"]}],
            languages=[{"match": "de/**", "language": "de"}],
        )
    )
    record = found["de/VPN einrichten.md"]
    assert record.id == "wiki:de/VPN einrichten.md"
    assert (record.title, record.text, record.language) == ("VPN", "# VPN\n\nText", "de")
    assert record.url == (
        "https://wiki.example/de/VPN%20einrichten?p=de/VPN%20einrichten.md&s=VPN%20einrichten"
    )
    assert record.labels == {"public", "guests"}
    assert record.updated_at is not None
    assert record.updated_at.isoformat() == "2026-10-01T00:00:00+00:00"
    assert record.kind == "page"


def test_a_page_says_who_it_is_but_never_who_may_read_it(tmp_path: Path) -> None:
    front = "---\ntitle: Anders\nlanguage: en-GB\nlabels: [public]\naccess: public\n---\n"
    write(tmp_path, {"a.md": f"{front}# Titel\n"})
    record = records(read(tmp_path, labels=[{"match": "de/**", "labels": ["public"]}]))["a.md"]
    assert (record.title, record.language) == ("Anders", "en")
    assert record.labels == frozenset()


def test_without_front_matter_the_file_itself_tells(tmp_path: Path) -> None:
    write(tmp_path, {"notes.v2.txt": "Nur Text"})
    os.utime(tmp_path / "notes.v2.txt", (0, 1_790_000_000.9))
    record = records(read(tmp_path))["notes.v2.txt"]
    assert (record.title, record.language) == ("notes.v2", None)
    assert record.updated_at is not None
    assert record.updated_at.timestamp() == 1_790_000_000


@pytest.mark.parametrize(
    ("language", "expected"), [("de_DE", "de"), ("EN", "en"), ("fr", None), ("", None)]
)
def test_only_german_and_english_are_languages_here(
    tmp_path: Path, language: str, expected: str | None
) -> None:
    write(tmp_path, {"a.md": f"---\nlanguage: {language}\n---\nText"})
    assert records(read(tmp_path))["a.md"].language == expected


def test_declared_facets_come_from_the_front_matter(tmp_path: Path) -> None:
    front = "---\ntopic: netz\ntags: [wlan, vpn]\npriority: 3\nother: x\n---\n"
    write(tmp_path, {"a.md": f"{front}Text", "b.md": "---\npriority: hoch\n---\nText"})
    facets = {"topic": {}, "tags": {"many": True}, "priority": {"type": "integer"}}
    changes = read(tmp_path, facets=facets)
    assert records(changes)["a.md"].facets == {
        "topic": "netz",
        "tags": ("wlan", "vpn"),
        "priority": 3,
    }
    assert "priority" in failures(changes)["b.md"]


@pytest.mark.parametrize(
    "front", ["updated: gestern", "title: [a, b]", "language:\n  - de", "updated_at: 31.02.2026"]
)
def test_front_matter_that_is_wrong_is_reported(tmp_path: Path, front: str) -> None:
    write(tmp_path, {"a.md": f"---\n{front}\n---\nText", "b.md": "Text"})
    changes = read(tmp_path)
    assert list(failures(changes)) == ["a.md"]
    assert list(records(changes)) == ["b.md"]


def test_every_format_is_read(tmp_path: Path) -> None:
    pdf = pdf_bytes([["Ein Text von einigem Umfang."]])
    write(
        tmp_path,
        {
            "a.md": "Text",
            "b.html": "<p>Absatz</p>",
            "c.TXT": "Text",
            "d.docx": handbook(),
            "e.pdf": pdf,
        },
    )
    changes = read(tmp_path, record_kind="file")
    assert list(records(changes)) == ["a.md", "b.html", "c.TXT", "d.docx", "e.pdf"]
    assert not failures(changes)
    assert {record.kind for record in records(changes).values()} == {"file"}
    assert records(changes)["d.docx"].title == "Handbuch Drucken"


# --- which files -----------------------------------------------------------------------------


def test_without_include_documents_are_read_and_pictures_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Text", "logo.png": b"\0", "style.css": "p {}", "old.doc": b"\xd0"})
    changes = read(tmp_path)
    assert list(records(changes)) == ["a.md"]
    assert list(failures(changes)) == ["old.doc"]
    assert "exclude" in failures(changes)["old.doc"]


def test_what_include_names_is_read_or_reported(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Text", "b.csv": "a;b", "c.txt": "Text", "x/d.csv": "a;b"})
    changes = read(tmp_path, include=["*.md", "**/*.csv"], exclude=["x/**"])
    assert list(records(changes)) == ["a.md"]
    assert list(failures(changes)) == ["b.csv"]


def test_hidden_names_are_only_read_where_include_names_one(tmp_path: Path) -> None:
    write(tmp_path, {".git/a.md": "Text", "b.md": "Text", "x/.c.md": "Text"})
    assert list(source(tmp_path).keys()) == ["b.md"]
    assert list(source(tmp_path, include=[".git/**"]).keys()) == [".git/a.md"]


def test_keys_are_listed_without_opening_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"b.md": "Text", "a/b.md": b"\0", "a.md": "Text"})
    monkeypatch.setattr(os, "open", None)
    assert list(source(tmp_path).keys()) == ["a.md", "a/b.md", "b.md"]


# --- what changed ----------------------------------------------------------------------------


def test_an_unchanged_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.md": "Text", "b.md": "Text"})
    since = cursor(read(tmp_path))
    opened: list[str] = []
    sound = os.open

    def watched(path: Any, flags: int) -> int:
        opened.append(Path(path).name)
        return sound(path, flags)

    monkeypatch.setattr(os, "open", watched)
    write(tmp_path, {"b.md": "Neu!"})
    changes = list(source(tmp_path).changes(since))
    assert list(records(changes)) == ["b.md"]
    assert opened == ["b.md"]


def test_an_edit_that_keeps_size_and_modification_time_is_seen(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Alt!"})
    before = (tmp_path / "a.md").stat()
    since = cursor(read(tmp_path))
    write(tmp_path, {"a.md": "Neu!"})
    os.utime(tmp_path / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    changes = list(source(tmp_path).changes(since))
    assert records(changes)["a.md"].text == "Neu!"


def test_edits_within_one_tick_of_the_clock_are_seen(tmp_path: Path) -> None:
    since = None
    for number in range(10):
        write(tmp_path, {"a.md": f"Text {number}"})
        changes = list(source(tmp_path).changes(since))
        since = cursor(changes)
        assert records(changes)["a.md"].text == f"Text {number}"


def test_another_definition_reads_everything_anew(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Text", "b.md": "Text"})
    since = cursor(read(tmp_path))
    changes = list(source(tmp_path, url="https://wiki.example/{name}").changes(since))
    assert set(records(changes)) == {"a.md", "b.md"}


@given(
    st.one_of(
        st.text(),
        st.sampled_from(
            ["[]", "3", "null", '{"files": 3}', '{"files": {"a.md": 3}}', "[" * 100_000]
        ),
    )
)
def test_a_cursor_that_is_none_means_a_full_read(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "wiki"
    if not root.exists():
        write(root, {"a.md": "Text"})
    assert list(records(list(source(root).changes(text)))) == ["a.md"]


def test_a_cursor_names_the_files_and_not_their_content(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "geheim", "b.md": b"\0"})
    found = json.loads(cursor(read(tmp_path)))
    assert list(found["files"]) == ["a.md"]
    assert len(found["files"]["a.md"]) == 16


def test_an_empty_folder_is_an_empty_listing_for_the_guard_to_judge(tmp_path: Path) -> None:
    root = tmp_path / "wiki"
    write(root, {"a.md": "Text"})
    since = cursor(read(root))
    (root / "a.md").unlink()
    changes = list(source(root).changes(since))
    assert json.loads(cursor(changes))["files"] == {}
    assert list(source(root).keys()) == []


# --- failures --------------------------------------------------------------------------------


def test_a_folder_that_never_was_is_a_mistake_in_the_definition(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a folder") as caught:
        read(tmp_path / "nowhere")
    assert not isinstance(caught.value, RetryLater)
    write(tmp_path, {"file.md": "Text"})
    with pytest.raises(BadInput, match="not a folder"):
        read(tmp_path / "file.md")


def test_a_folder_that_goes_away_during_the_run_is_an_outage(tmp_path: Path) -> None:
    root = tmp_path / "wiki"
    write(root, {"a.md": "Text", "b.md": "Text", "c.md": "Text"})
    changes = source(root).changes(None)
    assert isinstance(next(changes), Upsert)
    root.rename(tmp_path / "unmounted")
    with pytest.raises(RetryLater, match="gone"):
        list(changes)


def test_a_file_that_is_deleted_during_the_run_is_no_failure(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Text", "b.md": "Text", "c.md": "Text"})
    changes = source(tmp_path).changes(None)
    first = next(changes)
    (tmp_path / "b.md").unlink()
    rest = list(changes)
    assert list(records([first, *rest])) == ["a.md", "c.md"]
    assert not failures(rest)


def test_a_folder_that_cannot_be_listed_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.md": "Text", "locked/b.md": "Text"})
    sound = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return sound(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RetryLater, match="locked"):
        list(source(tmp_path).keys())
    with pytest.raises(RetryLater, match="locked"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.EACCES, Unreadable), (errno.ENXIO, Unreadable)]
)
def test_a_file_that_may_not_be_opened_is_one_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type
) -> None:
    write(tmp_path, {"a.md": "Text", "b.md": "Text"})
    _fail_to_open(monkeypatch, "a.md", number)
    changes = read(tmp_path)
    assert [type(change) for change in changes] == [expected, Upsert, Checkpoint]
    monkeypatch.undo()
    assert list(records(list(source(tmp_path).changes(cursor(changes))))) == ["a.md"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_disk_that_fails_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write(tmp_path, {"a.md": "Text", "b.md": "Text"})
    _fail_to_open(monkeypatch, "b.md", number)
    with pytest.raises(RetryLater, match=r"b\.md"):
        read(tmp_path)


def _fail_to_open(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    sound = os.open

    def failing(path: Any, flags: int) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return sound(path, flags)

    monkeypatch.setattr(os, "open", failing)


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "wiki"
    write(tmp_path, {"secret.md": "geheim", "other/a.md": "geheim", "wiki/real.md": "Text"})
    (root / "out.md").symlink_to(tmp_path / "secret.md")
    (root / "up.md").symlink_to("../secret.md")
    (root / "folder").symlink_to(tmp_path / "other")
    (root / "in.md").symlink_to("real.md")
    (root / "nowhere.md").symlink_to("gone.md")
    (root / "loop.md").symlink_to("loop.md")
    changes = read(root, include=["**"])
    assert set(records(changes)) == {"in.md", "real.md"}
    assert set(failures(changes)) == {"out.md", "up.md", "folder", "nowhere.md", "loop.md"}
    assert "leads out" in failures(changes)["out.md"]
    assert "leads out" in failures(changes)["up.md"]
    assert "leads nowhere" in failures(changes)["nowhere.md"]


def test_a_pipe_does_not_hold_the_run_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert "no regular file" in failures(read(tmp_path))["pipe.md"]


def test_a_name_that_is_no_text_is_reported_and_not_listed(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "Text", "two\nlines.md": "Text"})
    os.close(os.open(bytes(tmp_path) + b"/caf\xe9.md", os.O_CREAT | os.O_WRONLY))
    changes = read(tmp_path)
    assert list(records(changes)) == ["a.md"]
    assert [change.key for change in changes if isinstance(change, Unreadable)] == [None, None]
    assert list(source(tmp_path).keys()) == ["a.md"]


def test_a_file_beyond_the_bound_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"small.md": "Text", "large.md": "x"})
    os.truncate(tmp_path / "large.md", 30_000_000_000)
    begin = time.monotonic()
    changes = read(tmp_path)
    assert time.monotonic() - begin < 5
    assert "30,000,000,000 bytes" in failures(changes)["large.md"]
    assert list(records(changes)) == ["small.md"]


def test_a_file_that_grows_beyond_the_bound_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.md": "x" * 50})

    class Small:
        st_size, st_mode = 3, (tmp_path / "a.md").stat().st_mode

    monkeypatch.setattr(os, "fstat", lambda _: Small)
    assert "51 bytes" not in failures(read(tmp_path, max_bytes=40))["a.md"]
    assert "41 bytes" in failures(read(tmp_path, max_bytes=40))["a.md"]


JUNK = {
    "empty.md": b"",
    "picture.md": b"\x89PNG\r\n\x1a\n\0\0",
    "broken.docx": b"PK\x03\x04",
    "broken.pdf": b"%PDF-1.4",
    "broken-utf8.txt": "Grüße".encode() * 5 + b"\xff",
    "front.md": b"---\nonly: front\n---\n",
}


def test_each_broken_document_is_one_named_failure(tmp_path: Path) -> None:
    write(tmp_path, {**JUNK, "good.md": "Text"})
    changes = read(tmp_path)
    assert set(failures(changes)) == set(JUNK)
    assert all(reason.endswith(".") for reason in failures(changes).values())
    assert list(records(changes)) == ["good.md"]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(["a.md", "b.txt", "c.html", "d.pdf"]), st.binary()))
def test_no_content_stops_a_run(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("wiki")
    write(root, {**contents, "z.md": "Text"})
    changes = read(root)
    assert records(changes).keys() | failures(changes).keys() == {*contents, "z.md"}
    assert isinstance(changes[-1], Checkpoint)


def test_an_unknown_place_in_the_link_is_a_mistake_in_the_definition(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="braces"):
        source(tmp_path, url="https://wiki.example/{page}")
    with pytest.raises(ValueError, match="pattern"):
        source(tmp_path, url="javascript:{path}")
