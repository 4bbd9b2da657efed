"""Records and passages: their ids, and what a digest sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.core.records import FacetValue, Passage, Record, digest, passage_id, record_id

TEXTS = st.text(max_size=12)
ZONES = st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours)))
TIMES = st.none() | st.datetimes(timezones=ZONES)
LABELS = st.frozensets(st.sampled_from(["public", "staff", "group:hpc"]))
FACET_VALUES: st.SearchStrategy[FacetValue] = (
    TEXTS
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.lists(TEXTS, max_size=3).map(tuple)
)
FACETS = st.dictionaries(TEXTS, FACET_VALUES, max_size=3)
CONTENT: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["page", "ticket", "course", "file"]),
    "text": TEXTS,
    "title": TEXTS,
    "url": TEXTS,
    "language": st.sampled_from([None, "de", "en"]),
    "updated_at": TIMES,
    "valid_until": TIMES,
    "partition": TEXTS,
    "facets": FACETS,
}
RECORDS = st.builds(Record, source=TEXTS, key=TEXTS, labels=LABELS, **CONTENT)


def exactly(value: Any) -> tuple[Any, ...]:
    """Tells apart what Python calls equal: 1, 1.0 and True, and one moment in two zones."""
    if isinstance(value, dict):
        return tuple((name, exactly(each)) for name, each in sorted(value.items()))
    return (type(value), str(value))


@given(RECORDS, LABELS, TEXTS, TEXTS)
def test_labels_and_the_id_change_no_digest(
    record: Record, labels: frozenset[str], source: str, key: str
) -> None:
    other = replace(record, labels=labels, source=source, key=key)
    assert other.digest() == record.digest()


@pytest.mark.parametrize("field", CONTENT)
@given(record=RECORDS, data=st.data())
def test_everything_else_changes_it(field: str, record: Record, data: st.DataObject) -> None:
    value = data.draw(CONTENT[field])
    assume(exactly(value) != exactly(getattr(record, field)))
    assert replace(record, **{field: value}).digest() != record.digest()


def test_every_field_is_labels_or_id_or_content() -> None:
    assert set(Record.__dataclass_fields__) == {"source", "key", "labels", *CONTENT}


@given(RECORDS)
def test_the_order_of_facets_is_none(record: Record) -> None:
    turned = dict(reversed(list(record.facets.items())))
    assert replace(record, facets=turned).digest() == record.digest()


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_two_lists_have_one_digest_only_if_they_are_one(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_digest_stays_what_it_was() -> None:
    """It lies on disks: another one would embed every record anew."""
    record = Record(
        source="it-wiki",
        key="de/vpn.md",
        kind="page",
        text="# VPN\n\nStraße",
        language="de",
        updated_at=datetime(2026, 10, 12, 8, tzinfo=UTC),
        facets={"level": ("a", "b"), "ects": 5},
    )
    assert record.digest() == "aa6a98257c3dd8d213018d1a6ea652e5"


@given(st.text("abc-", min_size=1), TEXTS, st.text("abc-", min_size=1), TEXTS)
def test_ids_are_one_only_for_one_source_and_key(
    source: str, key: str, other_source: str, other_key: str
) -> None:
    """A source's name has no colon."""
    is_same = (source, key) == (other_source, other_key)
    assert (record_id(source, key) == record_id(other_source, other_key)) == is_same


@given(TEXTS, st.integers(0, 10_000), TEXTS, st.integers(0, 10_000))
def test_passage_ids_are_one_only_for_one_record_and_ordinal(
    record: str, ordinal: int, other_record: str, other_ordinal: int
) -> None:
    is_same = (record, ordinal) == (other_record, other_ordinal)
    one, other = passage_id(record, ordinal), passage_id(other_record, other_ordinal)
    assert (one == other) == is_same
    assert str(UUID(one)) == one


@given(RECORDS, CONTENT["text"])
def test_an_id_never_depends_on_content(record: Record, text: str) -> None:
    assert replace(record, text=text, labels=frozenset()).id == record.id


def test_a_passage_is_embedded_with_its_headings() -> None:
    passage = Passage(
        record_id="it-wiki:vpn",
        ordinal=2,
        text="Öffne den Client.",
        title="VPN",
        url="",
        heading_path=("VPN", "Windows"),
        language="de",
        kind="page",
        source="it-wiki",
        labels=frozenset(),
    )
    assert passage.embedded_text() == "VPN › Windows\nÖffne den Client."
    assert replace(passage, heading_path=()).embedded_text() == "Öffne den Client."
    assert passage.id == passage_id("it-wiki:vpn", 2)
