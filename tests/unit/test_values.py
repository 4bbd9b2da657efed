"""Single values from outside: times, links, keys, facets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facets import facet_from_texts, facets_from_json
from connectors.values import checked_key, clean, end_moment, moment, web_address
from rag.core.definitions.sources import Facet
from rag.core.errors import BadDocument
from rag.core.records import FacetValue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T08:30:00+02:00", "2026-10-01T08:30:00+02:00"),
        ("2026-10-01 08:30", "2026-10-01T08:30:00+00:00"),
        (" 1.10.2026 ", "2026-10-01T00:00:00+00:00"),
        ("01.10.2026, 08:30 Uhr", "2026-10-01T08:30:00+00:00"),
    ],
)
def test_times_are_read_in_iso_and_german(text: str, expected: str) -> None:
    assert moment(text).isoformat() == expected


@pytest.mark.parametrize("text", ["", "gestern", "31.02.2026", "2026-13-01", "10/01/2026"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadDocument, match="not a date"):
        moment(text)


def test_a_bare_day_counts_to_its_end() -> None:
    assert end_moment("31.03.2027") == datetime(2027, 4, 1, tzinfo=UTC)
    assert end_moment("31.03.2027 12:00") == datetime(2027, 3, 31, 12, tzinfo=UTC)
    assert end_moment("2027-03-31T12:00") == datetime(2027, 3, 31, 12, tzinfo=UTC)
    assert end_moment("31.12.9999") == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "ftp://x.example", "https://", "https://x y", 'https://x/"><b>']
)
def test_a_link_that_is_no_http_address_is_refused(link: str) -> None:
    with pytest.raises(BadDocument, match="no http address"):
        web_address(link)


def test_a_link_may_be_missing() -> None:
    assert web_address("") == ""
    assert web_address(" https://x.example/a?b=c ") == "https://x.example/a?b=c"


@pytest.mark.parametrize("key", ["", " ", "a\nb", "a\0", "x" * 1025, "\ud800"])
def test_a_key_that_nobody_can_write_down_is_refused(key: str) -> None:
    with pytest.raises(BadDocument):
        checked_key(key)


def test_a_key_may_be_a_german_path() -> None:
    assert checked_key("de/Öffnungs zeiten (neu).md") == "de/Öffnungs zeiten (neu).md"


def test_a_text_with_half_a_character_is_refused() -> None:
    for text in ("a\0b", "a\ud800b"):
        with pytest.raises(BadDocument):
            clean(text)


def test_invisible_instructions_are_taken_out() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore")
    assert clean(f"Text{hidden}") == "Text"


@pytest.mark.parametrize(
    ("facet", "texts", "expected"),
    [
        (Facet(), ["a"], "a"),
        (Facet(many=True), ["b", "a", "b"], ("b", "a")),
        (Facet(type="integer"), ["5"], 5),
        (Facet(type="number"), ["7,5"], 7.5),
        (Facet(type="number"), ["7"], 7.0),
        (Facet(type="boolean"), ["Ja"], True),
        (Facet(type="boolean"), ["false"], False),
        (Facet(type="date"), ["31.03.2027"], "2027-03-31"),
        (Facet(type="date"), ["2027-03-31T10:00+01:00"], "2027-03-31T10:00:00+01:00"),
        (Facet(type="date", many=True), ["01.04.2027"], ("2027-04-01",)),
        (Facet(), ["a", "a"], "a"),
        (Facet(), [], None),
        (Facet(many=True), [], None),
    ],
)
def test_cells_become_typed_values(facet: Facet, texts: list[str], expected: FacetValue) -> None:
    found = facet_from_texts("f", facet, texts, decimal=",")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("facet", "texts"),
    [
        (Facet(type="integer"), ["viel"]),
        (Facet(type="integer"), ["7.5"]),
        (Facet(type="number"), ["1.500"]),
        (Facet(type="number"), ["nan"]),
        (Facet(type="number"), ["inf"]),
        (Facet(type="boolean"), ["vielleicht"]),
        (Facet(type="date"), ["bald"]),
        (Facet(), ["a", "b"]),
    ],
)
def test_a_cell_of_another_type_is_refused_without_its_value(
    facet: Facet, texts: list[str]
) -> None:
    with pytest.raises(BadDocument) as caught:
        facet_from_texts("credits", facet, texts, decimal=",")
    assert "credits" in str(caught.value)
    assert texts[0] not in str(caught.value).split()


DECLARED = {
    "queue": Facet(),
    "tags": Facet(many=True),
    "count": Facet(type="integer"),
    "ects": Facet(type="number"),
    "open": Facet(type="boolean"),
    "day": Facet(type="date"),
}


def test_json_values_keep_their_type() -> None:
    given_values = {
        "queue": "wlan",
        "tags": ["a", "b"],
        "count": 3,
        "ects": 5,
        "open": False,
        "day": "01.10.2026",
    }
    found = facets_from_json(DECLARED, given_values)
    assert found == {**given_values, "tags": ("a", "b"), "ects": 5.0, "day": "2026-10-01"}
    assert isinstance(found["ects"], float)
    assert facets_from_json(DECLARED, {"queue": None}) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"queue": 1},
        {"queue": ["a"]},
        {"tags": "a"},
        {"tags": [1]},
        {"count": "3"},
        {"count": True},
        {"count": 1.5},
        {"ects": float("nan")},
        {"open": 1},
        {"day": "bald"},
        {"day": 20261001},
    ],
)
def test_a_json_value_of_another_type_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadDocument, match=next(iter(values))):
        facets_from_json(DECLARED, values)


def test_an_undeclared_facet_names_the_nearest() -> None:
    with pytest.raises(BadDocument, match="queue"):
        facets_from_json(DECLARED, {"queu": "wlan"})


@given(st.text())
def test_no_text_breaks_the_checks(text: str) -> None:
    for check in (moment, end_moment, web_address, checked_key, clean):
        try:
            check(text)
        except BadDocument:
            continue
