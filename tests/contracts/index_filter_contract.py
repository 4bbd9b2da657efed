"""What filters and facets mean on every Index, on facets of every type."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.core.contracts import Index
from rag.core.errors import BadQuestion
from rag.core.filters import And, AnyOf, Eq, FacetCount, Filter, Not, Range
from rag.core.records import Record
from tests.contracts.filter_oracle import holds
from tests.contracts.index_material import (
    FACETS,
    NOBODY,
    PUBLIC,
    Check,
    Engine,
    ids,
    make,
    request,
    store_all,
)

_LEVELS = ("bachelor", "master", "")
_PROGRAMMES = ("Informatik", "BWL", "Physik")
_DAYS = ("2026-10-12", "2026-10-12T08:15:00+02:00", "2026-12-31T23:30:00+00:00", "2027-01-01")


def _courses() -> list[Record]:
    """40 records with every kind of facet, present and missing."""
    return [make(f"{i:02}", f"course eduroam {i}", facets=_facets_of(i)) for i in range(40)]


def _facets_of(i: int) -> dict[str, object]:
    facets: dict[str, object] = {
        "level": _LEVELS[i % 3],
        "programmes": _PROGRAMMES[: i % 4],
        "semester": i % 6 - 1,
        "ects": (i % 5) * 2.5,
        "remote": i % 2 == 0,
        "starts": _DAYS[i % 4],
        "sessions": tuple(_DAYS[: i % 3]),
    }
    missing = list(facets)[i % 9 :][:1]
    return {name: value for name, value in facets.items() if name not in missing}


def _leaves() -> st.SearchStrategy[Filter]:
    numbers = st.sampled_from([-1, 0, 2, 2.5, 5.0, 7.5, 10, 11])
    values: dict[str, st.SearchStrategy[bool | int | float | str]] = {
        "level": st.sampled_from([*_LEVELS, "Bachelor", "bach"]),
        "programmes": st.sampled_from([*_PROGRAMMES, "Chemie"]),
        "semester": st.sampled_from([-1, 0, 3, 4.0, 9]),
        "ects": numbers,
        "remote": st.booleans(),
        "starts": st.sampled_from([*_DAYS, "2026-10-12T06:15:00Z", "2026-10-12T06:15"]),
        "sessions": st.sampled_from(_DAYS),
    }
    ordered = ("semester", "ects", "starts", "sessions")
    bounds = {name: values[name] for name in ordered} | {"semester": numbers}
    return st.one_of(
        *(st.builds(Eq, field=st.just(name), value=value) for name, value in values.items()),
        *(
            st.builds(AnyOf, field=st.just(name), values=st.lists(v, min_size=1, max_size=3))
            for name, v in values.items()
        ),
        *(
            st.builds(Range, field=st.just(name), gte=st.none() | v, lte=st.none() | v)
            for name, v in bounds.items()
        ),
    )


def _filters() -> st.SearchStrategy[Filter]:
    return st.recursive(
        _leaves(),
        lambda inner: st.one_of(
            st.builds(Not, filter=inner),
            st.builds(And, filters=st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=5,
    )


def filters_mean_what_they_say(engine: Engine) -> None:
    """Random filters on facets of every type, compared with Python's own judgement."""
    records = _courses()
    store_all(engine.open(), *records)
    with engine.open().pin() as index:

        @settings(
            max_examples=150,
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(_filters())
        def check(where: Filter) -> None:
            wanted = {record.id for record in records if holds(where, record, FACETS)}
            _compare_filtered(index, where, wanted)

        check()


def every_simple_filter_means_what_it_says(engine: Engine) -> None:
    """One case by name for each form and type, so that a failure can be read."""
    records = _courses()
    store_all(engine.open(), *records)
    cases: tuple[tuple[Filter, Callable[[dict[str, object]], bool]], ...] = (
        (Eq(field="level", value="master"), lambda f: f.get("level") == "master"),
        (Eq(field="programmes", value="BWL"), lambda f: "BWL" in _list(f, "programmes")),
        (Eq(field="semester", value=3), lambda f: f.get("semester") == 3),
        (Eq(field="ects", value=2.5), lambda f: f.get("ects") == 2.5),
        (Eq(field="remote", value=False), lambda f: f.get("remote") is False),
        (Eq(field="starts", value="2026-10-12"), lambda f: "2026-10-12" in str(f.get("starts"))),
        (AnyOf(field="level", values=("", "x")), lambda f: f.get("level") == ""),
        (Range(field="ects", gte=2.5, lte=5), lambda f: f.get("ects") in {2.5, 5.0}),
        (Range(field="semester", lte=0), lambda f: f.get("semester") in {-1, 0}),
        (Range(field="starts", gte="2027-01-01"), lambda f: f.get("starts") == "2027-01-01"),
        (Range(field="starts", lte="2026-12-31"), lambda f: "2026" in str(f.get("starts"))),
        (Range(field="ects"), lambda f: "ects" in f),
        (Not(filter=Eq(field="remote", value=True)), lambda f: f.get("remote") is not True),
        (And(), lambda _: True),
        (Not(filter=And()), lambda _: False),
    )
    with engine.open().pin() as index:
        for where, is_wanted in cases:
            wanted = {r.id for r in records if is_wanted(dict(r.facets))}
            _compare_filtered(index, where, wanted)


def _list(facets: dict[str, object], name: str) -> tuple[object, ...]:
    found = facets.get(name, ())
    return found if isinstance(found, tuple) else ()


def _compare_filtered(index: Index, where: Filter, wanted: set[str]) -> None:
    found = {passage.record_id for passage in index.scroll(labels=PUBLIC, filter=where)}
    assert found == wanted, where
    assert index.count(labels=PUBLIC, filter=where) == len(wanted), where
    hits = index.search(request("course eduroam", filter=where, limit=100))
    assert ids(hits.dense) == ids(hits.sparse) == wanted, where
    levels = index.facets("level", labels=PUBLIC, filter=where)
    assert sum(each.count for each in levels) <= len(wanted), where


def a_filter_that_does_not_fit_is_a_bad_question(engine: Engine) -> None:
    store_all(engine.open(), *_courses())
    wrong: tuple[Filter, ...] = (
        Eq(field="levle", value="master"),
        Eq(field="labels", value="staff"),
        Eq(field="facets.level", value="master"),
        Eq(field="level", value=5),
        Eq(field="semester", value="3"),
        Eq(field="semester", value=2.5),
        Eq(field="semester", value=2**63),
        Eq(field="remote", value=1),
        Eq(field="starts", value="soon"),
        AnyOf(field="ects", values=(2.5, "5")),
        Range(field="level", gte=1),
        Range(field="remote"),
        Range(field="ects", gte="2"),
        Range(field="starts", lte=5),
        Not(filter=Eq(field="nothing", value=1)),
        And(filters=(Eq(field="level", value="x"), Range(field="nothing", gte=1))),
        _nested(40),
        _nested(230),
    )
    with engine.open().pin() as index:
        for where in wrong:
            for labels in (PUBLIC, NOBODY):
                with pytest.raises(BadQuestion):
                    index.search(request(labels=labels, filter=where))
            with pytest.raises(BadQuestion):
                index.count(labels=PUBLIC, filter=where)
            with pytest.raises(BadQuestion):
                list(index.scroll(labels=PUBLIC, filter=where))
            with pytest.raises(BadQuestion):
                index.facets("level", labels=PUBLIC, filter=where)
        with pytest.raises(BadQuestion, match="Did you mean “level”"):
            index.facets("levels", labels=PUBLIC)


def _nested(depth: int) -> Filter:
    found: Filter = Eq(field="level", value="x")
    for _ in range(depth):
        found = Not(filter=found)
    return found


def facets_count_records_most_frequent_first(engine: Engine) -> None:
    records = [
        make("a", "one\n\ntwo\n\nthree", facets={"level": "m", "programmes": ("x", "y")}),
        make("b", facets={"level": "b", "programmes": ("y",), "remote": True, "ects": 2.5}),
        make("c", facets={"level": "b", "semester": 2, "ects": 2.5, "sessions": _DAYS[:2]}),
        make("d", labels=frozenset({"staff"}), facets={"level": "m", "semester": 2}),
        make("e", facets={"programmes": ("z",), "remote": False, "ects": 5.0, "starts": _DAYS[0]}),
    ]
    store_all(engine.open(), *records)
    with engine.open().pin() as index:
        assert _counts(index, "level") == [("b", 2), ("m", 1)]
        assert _counts(index, "programmes") == [("y", 2), ("x", 1), ("z", 1)]
        assert _counts(index, "semester") == [(2, 1)]
        assert _counts(index, "remote") == [(False, 1), (True, 1)]
        assert _counts(index, "ects") == [(2.5, 2), (5.0, 1)]
        assert _counts(index, "starts") == [(_DAYS[0], 1)]
        assert _counts(index, "sessions") == [(_DAYS[0], 1), (_DAYS[1], 1)]
        only = index.facets("level", labels=PUBLIC, filter=Eq(field="ects", value=2.5))
        assert list(only) == [FacetCount(value="b", count=2)]


def _counts(index: Index, field: str) -> list[tuple[str | float | bool, int]]:
    return [(each.value, each.count) for each in index.facets(field, labels=PUBLIC)]


def count_counts_records(engine: Engine) -> None:
    store_all(engine.open(), make("a", "one\n\ntwo\n\nthree"), make("b"))
    with engine.open().pin() as index:
        assert index.count(labels=PUBLIC) == 2


CHECKS: tuple[Check, ...] = (
    filters_mean_what_they_say,
    every_simple_filter_means_what_it_says,
    a_filter_that_does_not_fit_is_a_bad_question,
    facets_count_records_most_frequent_first,
    count_counts_records,
)
