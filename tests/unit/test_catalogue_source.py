"""The catalogue connector: field mapping, both languages, and exports that went wrong."""

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.catalogue import CatalogueConnector
from connectors.table import csv_rows
from rag.core.definitions.sources import CatalogueSource
from rag.core.errors import BadDocument, BadInput, RetryLater
from rag.core.records import Change, Checkpoint, Record, Unreadable, Upsert

HEADER = [
    "Nummer",
    "Titel",
    "Titel_en",
    "Inhalt",
    "Typ",
    "ECTS",
    "Semester",
    "Tage",
    "Wer",
    "Stand",
]
ROW = dict(
    zip(
        HEADER,
        [
            *("INF-1", "Datenbanken", "Databases", "Alles über Tabellen.", "Vorlesung", "7,5"),
            *("2026W", "Mo, Do", "Alle", "01.10.2026"),
        ],
        strict=True,
    )
)
MAPPING: dict[str, Any] = {
    "kind": "catalogue",
    "key": "{Nummer}@{Semester}",
    "url": "https://courses.example/{Semester}/{Nummer}",
    "title": {"de": "{Titel}", "en": "{Titel_en}"},
    "text": {
        "de": "{Inhalt}\n\n- **Typ:** {Typ}\n- **ECTS:** {ECTS}\n- **Tage:** {Tage}",
        "en": "- **Type:** {Typ}\n- **Credits:** {ECTS}\n- **Days:** {Tage}",
    },
    "translations": {
        "Typ": {"Vorlesung": "lecture"},
        "Tage": {"Mo": "Monday", "Do": "Thursday"},
    },
    "partition": "{Semester}",
    "updated_at": "{Stand}",
    "labels": {"column": "Wer", "map": {"Alle": ["public"], "Beschäftigte": ["staff"]}},
    "facets": {"type": {}, "ects": {"type": "number"}, "days": {"many": True}},
    "columns": {
        "type": {"column": "Typ", "map": {"Vorlesung": "lecture"}},
        "ects": {"column": "ECTS", "decimal": ","},
        "days": {"column": "Tage", "split": ",", "map": {"Mo": "mon", "Do": "thu"}},
    },
}
ONE_LANGUAGE = {"title": "{Titel}", "text": "{Inhalt}\n**ECTS:** {ECTS}", "translations": {}}


def source(path: Path, **fields: Any) -> CatalogueConnector:
    mapping = {**MAPPING, "path": path, **fields}
    return CatalogueConnector("courses", CatalogueSource.model_validate(mapping))


def export(folder: Path, *rows: dict[str, str] | str, encoding: str = "utf-8-sig") -> Path:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, HEADER, delimiter=";")
    writer.writeheader()
    for row in rows:
        if isinstance(row, str):
            buffer.write(row)
        else:
            writer.writerow({**ROW, **row})
    path = folder / "courses.csv"
    path.write_bytes(buffer.getvalue().encode(encoding))
    return path


def read(path: Path, **fields: Any) -> list[Change]:
    return list(source(path, **fields).changes(None))


def records(changes: list[Change]) -> list[Record]:
    return [change.record for change in changes if isinstance(change, Upsert)]


def failures(changes: list[Change]) -> list[tuple[str | None, str]]:
    return [(change.key, change.reason) for change in changes if isinstance(change, Unreadable)]


def cursor(changes: list[Change]) -> str:
    assert isinstance(changes[-1], Checkpoint)
    return changes[-1].cursor


# --- mapping ---------------------------------------------------------------------------------


def test_a_row_becomes_one_record_in_both_languages(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {})))
    assert record.id == "courses:INF-1@2026W"
    assert record.kind == "course"
    assert record.title == "Datenbanken / Databases"
    assert record.language is None
    assert record.text == (
        "## Datenbanken\n\nAlles über Tabellen.\n\n"
        "- **Typ:** Vorlesung\n- **ECTS:** 7,5\n- **Tage:** Mo, Do\n\n"
        "## Databases\n\n- **Type:** lecture\n- **Credits:** 7,5\n- **Days:** Monday, Thursday"
    )
    assert record.url == "https://courses.example/2026W/INF-1"
    assert record.partition == "2026W"
    assert record.labels == {"public"}
    assert record.updated_at is not None
    assert record.updated_at.isoformat() == "2026-10-01T00:00:00+00:00"
    assert record.facets == {"type": "lecture", "ects": 7.5, "days": ("mon", "thu")}


def test_a_definition_may_take_one_language(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {}), language="en"))
    assert (record.title, record.language) == ("Databases", "en")
    assert record.text.startswith("- **Type:** lecture")


def test_a_definition_may_name_no_language(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {}), **ONE_LANGUAGE))
    assert (record.title, record.language) == ("Datenbanken", None)
    assert record.text == "Alles über Tabellen.\n**ECTS:** 7,5"


def test_a_missing_title_is_borrowed_and_an_empty_line_is_left_out(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {"Titel_en": "", "ECTS": "", "Tage": " "})))
    assert record.title == "Datenbanken"
    assert record.text == (
        "## Datenbanken\n\nAlles über Tabellen.\n\n- **Typ:** Vorlesung\n\n"
        "## Datenbanken\n\n- **Type:** lecture"
    )
    assert record.facets == {"type": "lecture"}


def test_a_row_without_any_text_has_its_title(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {"Inhalt": ""}), title="{Titel}", text="{Inhalt}"))
    assert record.text == "Datenbanken"


def test_a_cell_of_several_lines_breaks_no_list(tmp_path: Path) -> None:
    path = export(tmp_path, {"Inhalt": "eins\n\nzwei", "Typ": "Vorlesung\nmit Übung"})
    (record,) = records(read(path, title="{Titel}", text="{Inhalt}\n- **Typ:** {Typ}"))
    assert record.text == "eins\n\nzwei\n- **Typ:** Vorlesung mit Übung"


def test_values_are_never_read_as_templates(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {"Inhalt": "{Wer} {unknown}"}), **ONE_LANGUAGE))
    assert record.text.startswith("{Wer} {unknown}")


@pytest.mark.parametrize(
    ("who", "labels"),
    [("Alle", {"public"}), ("Beschäftigte", {"staff"}), ("alle", set()), ("", set())],
)
def test_who_is_not_in_the_map_sees_nothing(tmp_path: Path, who: str, labels: set[str]) -> None:
    (record,) = records(read(export(tmp_path, {"Wer": who})))
    assert record.labels == labels


def test_labels_may_be_the_same_for_all(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {}), labels=["public", "guests"]))
    assert record.labels == {"public", "guests"}


def test_a_facet_value_outside_its_map_stays_as_it_is(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {"Typ": "Exkursion", "Tage": "Mo,So,"})))
    assert record.facets["type"] == "Exkursion"
    assert record.facets["days"] == ("mon", "So")


def test_links_are_encoded_unless_a_cell_is_the_link(tmp_path: Path) -> None:
    path = export(tmp_path, {"Nummer": "A B/1", "Inhalt": "https://x.example/a?b=c"})
    (record,) = records(read(path))
    assert record.url == "https://courses.example/2026W/A%20B%2F1"
    (record,) = records(read(path, url="{Inhalt}"))
    assert record.url == "https://x.example/a?b=c"
    assert "no http address" in failures(read(path, url="{Titel}"))[0][1]


def test_a_course_may_end(tmp_path: Path) -> None:
    (record,) = records(read(export(tmp_path, {"Stand": "31.03.2027"}), valid_until="{Stand}"))
    assert record.valid_until is not None
    assert record.valid_until.isoformat() == "2027-04-01T00:00:00+00:00"


# --- rows that went wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ECTS": "viel"}, "Column ECTS: The facet ects is not a number"),
        ({"ECTS": "1.500,0"}, "Column ECTS"),
        ({"Stand": "bald"}, "not a date"),
        ({"Titel": "", "Titel_en": ""}, "title is empty"),
    ],
)
def test_a_wrong_value_costs_its_row(tmp_path: Path, fields: dict[str, str], expected: str) -> None:
    path = export(tmp_path, {}, {"Nummer": "INF-2", **fields}, {"Nummer": "INF-3"})
    changes = read(path)
    assert [record.key for record in records(changes)] == ["INF-1@2026W", "INF-3@2026W"]
    ((key, reason),) = failures(changes)
    assert key == "INF-2@2026W"
    assert "courses.csv, line 3: " in reason
    assert expected in reason
    assert list(source(path).keys()) == ["INF-1@2026W", "INF-2@2026W", "INF-3@2026W"]


@pytest.mark.parametrize(
    "bad",
    [
        "one;two\n",
        '"never closed;a;b\n',
        'a;"b"c;d\n',
        "x" * 1_500_000 + "\n",
        ";".join(["", *["x"] * 9]) + "\n",
        "A\udcffB;" + ";".join(["x"] * 9) + "\n",
    ],
    ids=["cells", "open quotation", "text after quotation", "1.5 MB", "no key", "encoding"],
)
def test_a_broken_row_costs_itself_and_no_other(tmp_path: Path, bad: str) -> None:
    path = export(tmp_path, {}, "BAD", {"Nummer": "INF-3"}, {"Nummer": "INF-4", "Inhalt": 'a "b"'})
    path.write_bytes(path.read_bytes().replace(b"BAD", bad.encode("utf-8", "surrogateescape")))
    changes = read(path)
    assert [record.key for record in records(changes)] == [
        "INF-1@2026W",
        "INF-3@2026W",
        "INF-4@2026W",
    ]
    ((key, reason),) = failures(changes)
    assert key is None
    assert "line 3: " in reason
    with pytest.raises(BadDocument, match="line 3"):
        list(source(path).keys())


def test_blank_rows_are_passed_over(tmp_path: Path) -> None:
    path = export(tmp_path, "\n", {}, ";;;;;;;;;\n", "\n")
    changes = read(path)
    assert len(records(changes)) == 1
    assert not failures(changes)


def test_a_row_that_repeats_itself_is_one_and_another_of_its_key_a_failure(tmp_path: Path) -> None:
    path = export(tmp_path, {}, {}, {"Titel": "Anders"}, {"Wer": "Beschäftigte"})
    changes = read(path)
    assert [record.title for record in records(changes)] == ["Datenbanken / Databases"]
    assert [key for key, _ in failures(changes)] == ["INF-1@2026W", "INF-1@2026W"]
    assert [reason.split(":")[0] for _, reason in failures(changes)] == [
        "courses.csv, line 4",
        "courses.csv, line 5",
    ]
    assert list(source(path).keys()) == ["INF-1@2026W"]


@given(st.lists(st.lists(st.text(alphabet='ab;"\n', max_size=6), min_size=3, max_size=3)))
def test_whatever_a_csv_writer_writes_is_read_again(rows: list[list[str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=";").writerows([["x", "y", "z"], *rows])
    buffer.seek(0)
    found = [dict(row.data) for row in csv_rows(buffer, ";", ["x"])]
    expected = [
        dict(zip("xyz", (cell.strip() for cell in row), strict=True))
        for row in rows
        if any(cell.strip() for cell in row)
    ]
    assert found == expected


@given(st.lists(st.text(alphabet='ab;"\n', max_size=8), max_size=4))
def test_damage_between_rows_never_costs_a_sound_row(damage: list[str]) -> None:
    sound = ["1;2;3", "4;5;6"]
    text = "\n".join(["x;y;z", sound[0], *damage, *[""] * 3, sound[1]])
    rows = list(csv_rows(io.StringIO(text, newline=""), ";", []))
    assert {"x": "1", "y": "2", "z": "3"} in [row.data for row in rows]
    if text.count('"') == 0:
        assert {"x": "4", "y": "5", "z": "6"} in [row.data for row in rows]


@given(st.sampled_from(["csv", "json"]), st.binary(max_size=400))
@settings(max_examples=80, deadline=None)
def test_no_file_is_a_bug(tmp_path_factory: pytest.TempPathFactory, form: str, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / f"random.{form}"
    path.write_bytes(data)
    with suppress(BadInput):
        read(path, format=form)
    with suppress(BadInput):
        list(source(path, format=form).keys())


# --- files as a whole ----------------------------------------------------------------------------


def test_other_encodings_are_named_in_the_definition(tmp_path: Path) -> None:
    for encoding in ("cp1252", "utf-16", "utf-8"):
        path = export(tmp_path, {"Inhalt": "Größe"}, encoding=encoding)
        (record,) = records(read(path, encoding=encoding, **ONE_LANGUAGE))
        assert record.text.startswith("Größe")
        assert record.labels == {"public"}


def test_a_mark_at_the_beginning_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = export(tmp_path, {}, encoding="utf-8-sig")
    assert len(records(read(path, encoding="utf-8"))) == 1


def test_a_wrong_encoding_is_a_failure_of_every_row_it_breaks(tmp_path: Path) -> None:
    path = export(tmp_path, {}, {"Nummer": "INF-2", "Inhalt": "Groß"}, encoding="cp1252")
    changes = read(path, **ONE_LANGUAGE)
    assert len(failures(changes)) == 2
    assert all("encoding" in reason for _, reason in failures(changes))
    with pytest.raises(BadInput, match="utf-16"):
        read(path, encoding="utf-16")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"key": "{Numer}"}, "no column Numer. Did you mean “Nummer”?"),
        ({"partition": "{semester}"}, "Did you mean “Semester”?"),
        ({"labels": {"column": "Zielgruppe", "map": {}}}, "no column Zielgruppe"),
        ({"translations": {"Type": {}}}, "Did you mean “Typ”?"),
        ({"columns": {**MAPPING["columns"], "type": {"column": "Art"}}}, "no column Art"),
        ({"delimiter": ","}, "Mend the mapping, or `delimiter`"),
    ],
)
def test_a_column_that_does_not_exist_is_a_mistake_in_the_definition(
    tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    path = export(tmp_path, {})
    for use in (lambda: read(path, **fields), lambda: list(source(path, **fields).keys())):
        with pytest.raises(BadInput, match=r"courses\.csv|header") as caught:
            use()
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"), [("", "empty"), ("a;b;a\n", "twice"), ('"a\n', "header")]
)
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "courses.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=expected):
        read(path)


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="max_bytes"):
        read(export(tmp_path, {}), max_bytes=20)


def test_an_export_with_a_header_alone_has_no_records(tmp_path: Path) -> None:
    path = export(tmp_path)
    assert [type(change) for change in read(path)] == [Checkpoint]
    assert list(source(path).keys()) == []


def test_an_unchanged_export_is_only_a_checkpoint(tmp_path: Path) -> None:
    path = export(tmp_path, {})
    since = cursor(read(path))
    assert [type(change) for change in source(path).changes(since)] == [Checkpoint]
    assert len(records(list(source(path, labels=["staff"]).changes(since)))) == 1


def test_an_export_that_is_written_while_it_is_read_is_not_complete(tmp_path: Path) -> None:
    path = export(tmp_path, {}, {"Nummer": "INF-2"})
    changes = source(path).changes(None)
    next(changes)
    export(tmp_path, {})
    with pytest.raises(RetryLater, match="while it was read"):
        list(changes)


# --- JSON ----------------------------------------------------------------------------------------

COURSE: dict[str, Any] = {
    "id": "INF-1",
    "name": "Datenbanken",
    "credits": 5,
    "graded": True,
    "requires": {"courses": "INF-0", "note": None},
    "sections": [
        {"people": ["A. Beta", "C. Delta"], "meetings": [{"day": "Mo"}, {"day": "Do"}]},
        {"people": ["A. Beta"], "meetings": []},
    ],
}
JSON_MAPPING: dict[str, Any] = {
    "format": "json",
    "key": "{id}",
    "url": "",
    "title": "{name}",
    "text": "**Needs:** {requires.courses}\n**Note:** {requires.note}\n{sections.meetings.day}",
    "translations": {},
    "partition": None,
    "updated_at": None,
    "labels": ["public"],
    "facets": {
        "credits": {"type": "number"},
        "people": {"many": True},
        "graded": {"type": "boolean"},
    },
    "columns": {
        "credits": {"column": "credits"},
        "people": {"column": "sections.people"},
        "graded": {"column": "graded"},
    },
}


def tree(folder: Path, value: object) -> Path:
    path = folder / "courses.json"
    path.write_text(json.dumps(value), "utf-8")
    return path


def test_json_is_mapped_by_dotted_paths_through_lists(tmp_path: Path) -> None:
    changes = read(tree(tmp_path, [COURSE]), **JSON_MAPPING)
    (record,) = records(changes)
    assert record.text == "**Needs:** INF-0\nMo, Do"
    assert record.facets == {"credits": 5.0, "people": ("A. Beta", "C. Delta"), "graded": True}


def test_the_list_may_lie_deep_in_the_file(tmp_path: Path) -> None:
    path = tree(tmp_path, {"result": {"items": [COURSE]}})
    assert len(records(read(path, **JSON_MAPPING, records_at="result.items"))) == 1
    for wrong in ("", "result", "result.rows", "result.items.id"):
        with pytest.raises(BadInput, match="no list"):
            read(path, **JSON_MAPPING, records_at=wrong)


def test_what_a_member_lacks_is_empty(tmp_path: Path) -> None:
    path = tree(tmp_path, [COURSE, {"id": "INF-2", "name": "B", "sections": None}])
    assert records(read(path, **JSON_MAPPING))[1].facets == {}


def test_a_path_that_no_member_has_is_a_mistake(tmp_path: Path) -> None:
    path = tree(tmp_path, [{"id": "1", "name": "x", "requires": None}, COURSE])
    for wrong, near in (
        ("{requires.course}", "requires.courses"),
        ("{sections.person}", "sections.people"),
        ("{nam}", "name"),
    ):
        with pytest.raises(BadInput, match="No row has the column") as caught:
            read(path, **{**JSON_MAPPING, "text": wrong})
        assert near in str(caught.value)


def test_below_a_value_that_is_always_empty_nobody_can_know(tmp_path: Path) -> None:
    path = tree(tmp_path, [{**COURSE, "extra": None, "list": []}])
    mapping = {**JSON_MAPPING, "text": "{extra.anything}{list.anything}{name}"}
    assert records(read(path, **mapping))[0].text == "Datenbanken"


def test_a_path_that_ends_at_an_object_is_a_failure_of_the_row(tmp_path: Path) -> None:
    changes = read(tree(tmp_path, [COURSE]), **{**JSON_MAPPING, "text": "{requires}"})
    assert "object stands where a value should" in failures(changes)[0][1]


def test_a_member_that_is_no_object_is_one_failure(tmp_path: Path) -> None:
    path = tree(tmp_path, [COURSE, "INF-2", None, {**COURSE, "id": "INF-3"}])
    changes = read(path, **JSON_MAPPING)
    assert [record.key for record in records(changes)] == ["INF-1", "INF-3"]
    assert [key for key, _ in failures(changes)] == [None, None]
    with pytest.raises(BadDocument, match="item 2"):
        list(source(path, **JSON_MAPPING).keys())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "Line 1"),
        (b"[{]", "Line 1"),
        (b"[\n{},\n", "Line 3"),
        (b"\xff\xfe", "UTF-8"),
        (b"[NaN]", "not valid JSON"),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_broken_json_is_refused_as_a_whole(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "courses.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=expected):
        read(path, **JSON_MAPPING)


def test_a_folder_of_exports_is_one_source(tmp_path: Path) -> None:
    for term in ("2026S", "2026W"):
        folder = tmp_path / f"{term}.json"
        folder.write_text(json.dumps([{**COURSE, "id": f"INF-1@{term}"}]))
    (tmp_path / "LICENSE").write_text("free")
    found = records(read(tmp_path, **JSON_MAPPING))
    assert [record.key for record in found] == ["INF-1@2026S", "INF-1@2026W"]


# --- definitions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding": "utf-9"},
        {"encoding": "hex"},
        {"columns": {}},
        {"facets": {}},
        {"delimiter": "::"},
        {"facets": {**MAPPING["facets"], "ects": {"type": "number", "many": True}}},
    ],
)
def test_a_definition_that_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="CatalogueSource"):
        source(tmp_path, **fields)
