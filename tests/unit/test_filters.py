"""Typed filters: their JSON form, and what a broken one is told."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rag.core.errors import BadQuestion
from rag.core.filters import And, AnyOf, Eq, Filter, Not, Range, fields_of, parse_filters

ADAPTER: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(tuple[Filter, ...])
EQ = {"op": "eq", "field": "ects", "value": 5}

FIELDS = st.sampled_from(["ects", "level", "start"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXTS
BOUNDS = st.none() | NUMBERS | TEXTS
LEAVES: st.SearchStrategy[Filter] = (
    st.builds(Eq, field=FIELDS, value=SCALARS)
    | st.builds(AnyOf, field=FIELDS, values=st.lists(SCALARS, min_size=1, max_size=3).map(tuple))
    | st.builds(Range, field=FIELDS, gte=BOUNDS, lte=BOUNDS)
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, filter=inner)
        | st.builds(And, filters=st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def types(value: Any) -> Any:
    """The value with the type of each part: 1, 1.0 and True are equal, and not the same."""
    return json.loads(json.dumps(value), parse_float=lambda each: ("float", each))


@given(st.lists(FILTERS, max_size=3).map(tuple))
def test_json_and_back_is_the_same(filters: tuple[Filter, ...]) -> None:
    written = ADAPTER.dump_json(filters)
    read = parse_filters(json.loads(written))
    assert read == filters
    assert types(json.loads(ADAPTER.dump_json(read))) == types(json.loads(written))


@given(FILTERS)
def test_a_filter_speaks_of_the_fields_in_its_json(where: Filter) -> None:
    found = set()

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            found.update({value["field"]} if "field" in value else set())
            for each in value.values():
                visit(each)
        elif isinstance(value, list):
            for each in value:
                visit(each)

    visit(json.loads(ADAPTER.dump_json((where,))))
    assert fields_of(where) == found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (EQ, Eq(field="ects", value=5)),
        ({"op": "eq", "field": "open", "value": True}, Eq(field="open", value=True)),
        (
            {"op": "any", "field": "level", "values": ["a", 1]},
            AnyOf(field="level", values=("a", 1)),
        ),
        ({"op": "range", "field": "ects", "gte": 5}, Range(field="ects", gte=5)),
        (
            {"op": "range", "field": "start", "lte": "2026-10-12"},
            Range(field="start", lte="2026-10-12"),
        ),
        ({"op": "not", "filter": EQ}, Not(filter=Eq(field="ects", value=5))),
        ({"op": "and", "filters": [EQ]}, And(filters=(Eq(field="ects", value=5),))),
        ({"op": "and"}, And()),
    ],
)
def test_each_form_is_read(value: object, expected: Filter) -> None:
    assert parse_filters([value]) == (expected,)


def test_a_truth_value_is_no_number() -> None:
    (where,) = parse_filters([{"op": "eq", "field": "open", "value": True}])
    assert isinstance(where, Eq)
    assert where.value is True


SCALAR = "a text, a finite number, true or false"
BOUND = "a finite number or a date in ISO 8601"
OPS = "one of eq, any, range, not, and"


@pytest.mark.parametrize(
    ("value", "place", "expected"),
    [
        (None, "filters", "a list of filters"),
        (EQ, "filters", "a list of filters"),
        ("eq", "filters", "a list of filters"),
        ([5], "filters.0", "a filter"),
        ([EQ, None], "filters.1", "a filter"),
        ([{}], "filters.0.op", OPS),
        ([{"op": "equals", "field": "a", "value": 1}], "filters.0.op", OPS),
        ([{"op": ["eq"]}], "filters.0.op", OPS),
        ([{"op": "eq", "value": 1}], "filters.0.field", "the name of a facet"),
        ([{"op": "eq", "field": 5, "value": 1}], "filters.0.field", "the name of a facet"),
        ([{"op": "eq", "field": "\ud800", "value": 1}], "filters.0.field", "the name of a facet"),
        ([{"op": "eq", "field": "a"}], "filters.0.value", SCALAR),
        ([{"op": "eq", "field": "a", "value": None}], "filters.0.value", SCALAR),
        ([{"op": "eq", "field": "a", "value": [1]}], "filters.0.value", SCALAR),
        ([{"op": "eq", "field": "a", "value": math.nan}], "filters.0.value", SCALAR),
        ([{"op": "eq", "field": "a", "value": math.inf}], "filters.0.value", SCALAR),
        ([{"op": "eq", "field": "a", "value": "\ud800"}], "filters.0.value", SCALAR),
        (
            [{"op": "any", "field": "a"}],
            "filters.0.values",
            f"a list with one or more of: {SCALAR}",
        ),
        (
            [{"op": "any", "field": "a", "values": []}],
            "filters.0.values",
            f"a list with one or more of: {SCALAR}",
        ),
        (
            [{"op": "any", "field": "a", "values": "abc"}],
            "filters.0.values",
            f"a list with one or more of: {SCALAR}",
        ),
        ([{"op": "any", "field": "a", "values": [1, None]}], "filters.0.values.1", SCALAR),
        ([{"op": "range", "field": "a", "gte": True}], "filters.0.gte", BOUND),
        ([{"op": "range", "field": "a", "lte": -math.inf}], "filters.0.lte", BOUND),
        ([{"op": "range", "field": "a", "lte": [1]}], "filters.0.lte", BOUND),
        ([{"op": "not"}], "filters.0.filter", "a filter"),
        ([{"op": "not", "filter": [EQ]}], "filters.0.filter", "a filter"),
        ([{"op": "not", "filter": {"op": "eq", "field": "a"}}], "filters.0.filter.value", SCALAR),
        ([{"op": "and", "filters": EQ}], "filters.0.filters", "a list of filters"),
        ([{"op": "and", "filters": [EQ, {"op": "x"}]}], "filters.0.filters.1.op", OPS),
    ],
)
def test_a_broken_filter_is_told_with_its_place(value: object, place: str, expected: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        parse_filters(value)
    assert str(caught.value) == f"{place}: expected {expected}. Mend the filter."


@pytest.mark.parametrize("name", ["valeu", "values", "x" * 10_000])
def test_an_unknown_field_is_told_by_its_name(name: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        parse_filters([{"op": "not", "filter": {"op": "eq", "field": "a", name: 1}}])
    expected = f"filters.0.filter has an unknown field, {name[:60]!r}. Remove it."
    assert str(caught.value) == expected


@pytest.mark.parametrize("depth", [300, 20_000])
def test_depth_is_bounded(depth: int) -> None:
    value: dict[str, Any] = EQ
    for _ in range(depth):
        value = {"op": "not", "filter": value}
    with pytest.raises(BadQuestion, match="nested too deeply"):
        parse_filters([value])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["op", "field", "value", "values", "gte", "filter", "filters", "x"]),
            inner | st.sampled_from(["eq", "any", "range", "not", "and"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON | st.lists(JSON, max_size=3))
def test_any_json_is_filters_or_a_bad_question(value: object) -> None:
    try:
        filters = parse_filters(value)
    except BadQuestion as error:
        told = str(error)
    else:
        told = ""
        assert isinstance(filters, tuple)
    assert not told or told.startswith("filters")
