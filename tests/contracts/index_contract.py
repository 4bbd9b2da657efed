"""What every Index promises, sentence by sentence; filters are in index_filter_contract.py."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rag.core.contracts import Index
from rag.core.records import Labels, Record
from tests.contracts.index_material import (
    NOBODY,
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

_LABELS = ("public", "staff", "students", "Fakultät", "x" * 63)
_SETS: tuple[Labels, ...] = tuple(
    frozenset(chosen) for size in range(6) for chosen in combinations(_LABELS, size)
)


def nothing_without_a_shared_label_is_ever_returned(engine: Engine) -> None:
    """Records with every set of labels there is, and askers with any."""
    records = [
        make(f"{i:02}", f"eduroam phone\n\nnumber {i}", labels=labels, facets={"level": "b"})
        for i, labels in enumerate(_SETS)
    ]
    store_all(engine.open(), *records)
    with engine.open().pin() as index:

        @settings(
            max_examples=40,
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate],
        )
        @given(st.sets(st.sampled_from([*_LABELS, "", "publi", "public*", "nobody"])))
        def check(asker: set[str]) -> None:
            _compare_with(index, records, frozenset(asker))

        check()


def _compare_with(index: Index, records: Sequence[Record], asker: Labels) -> None:
    visible = [record for record in records if record.labels & asker]
    hits = index.search(request("eduroam phone number", labels=asker, limit=100))
    assert everything(index, asker) == expected(*visible)
    assert index.count(labels=asker) == len(visible)
    assert sum(each.count for each in index.facets("level", labels=asker)) == len(visible)
    assert {hit.passage.id for hit in hits.dense} == expected(*visible).keys()
    assert {hit.passage.id for hit in hits.sparse} <= expected(*visible).keys()
    assert ids(hits.sparse) == {record.id for record in visible}
    near = index.search(request("eduroam phone number", labels=asker, limit=5, exact=False))
    assert ids((*near.dense, *near.sparse)) <= {record.id for record in visible}


def an_asker_without_labels_sees_nothing(engine: Engine) -> None:
    store_all(engine.open(), make("a", facets={"level": "b"}), make("b", labels=NOBODY))
    with engine.open().pin() as index:
        hits = index.search(request(labels=NOBODY))
        assert (hits.dense, hits.sparse) == ((), ())
        assert not everything(index, NOBODY)
        assert index.count(labels=NOBODY) == 0
        assert not index.facets("level", labels=NOBODY)


def a_passage_comes_back_as_it_was_put(engine: Engine) -> None:
    record = make(
        "Ü/ä b#1",
        "**Größe** 🎓\n\n| a | b |\n|---|---|",
        kind="course",
        title="“Titel”",
        labels=frozenset({"public", "staff"}),
        language="de",
        updated_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        facets={
            "level": "Bachelor, 2. Jahr",
            "programmes": ("Informatik", "BWL"),
            "semester": 3,
            "ects": 2.5,
            "remote": False,
            "starts": "2026-10-12",
            "sessions": ("2026-10-12T08:15:00+02:00", "2026-10-19"),
        },
    )
    plain = make("plain", updated_at=None)
    store_all(engine.open(), record, plain)
    with engine.open().pin() as index:
        assert everything(index) == expected(record, plain)
        found = index.search(request("Größe", limit=50)).dense
        assert {hit.passage.id: hit.passage for hit in found} == expected(record, plain)
        facets = next(h.passage.facets for h in found if h.passage.record_id == record.id)
        assert {name: type(value) for name, value in facets.items()} == {
            name: type(value) for name, value in record.facets.items()
        }


def scroll_gives_every_passage_once(engine: Engine) -> None:
    records = [make(f"{i}", "one\n\ntwo\n\nthree") for i in range(700)]
    store_all(engine.open(), *records)
    with engine.open().pin() as index:
        assert everything(index).keys() == expected(*records).keys()


def search_is_by_cosine_and_exact_where_asked(engine: Engine) -> None:
    words = [f"w{i}" for i in range(12)]
    texts = [" ".join(words[i % 7 : i % 7 + 2 + i % 5]) for i in range(60)]
    records = [make(f"{i:02}", text, title="") for i, text in enumerate(texts)]
    store_all(engine.open(), *records)
    wanted = request("w1 w4 w5", limit=10)
    with engine.open().pin() as index:
        hits = index.search(wanted).dense
    vectors = {e.passage.id: e.vector for record in records for e in embed(record)}
    cosines = {key: math.fsum(map(_product, v, wanted.vector)) for key, v in vectors.items()}
    best = sorted(cosines.values(), reverse=True)[:10]
    assert [hit.score for hit in hits] == pytest.approx(best, abs=1e-5)
    assert [hit.score for hit in hits] == pytest.approx(
        [cosines[hit.passage.id] for hit in hits], abs=1e-5
    )


def _product(a: float, b: float) -> float:
    return a * b


def rankings_fall_and_ties_are_in_order(engine: Engine) -> None:
    same = [make(key, "eduroam", title="") for key in ("d", "b", "a", "c", "e")]
    others = [make("z", "eduroam eduroam printer", title=""), make("y", "vpn", title="")]
    store_all(engine.open(), *same, *others)
    with engine.open().pin() as index:
        hits = index.search(request("eduroam"))
    for side in (hits.dense, hits.sparse):
        ranks = [(-hit.score, hit.passage.record_id, hit.passage.ordinal) for hit in side]
        assert ranks == sorted(ranks)
        assert {"wiki:a", "wiki:e"} <= ids(side)


def limit_counts_passages_of_each_side(engine: Engine) -> None:
    store_all(engine.open(), make("de", "eduroam\n\neduroam", language="de"), *_pages(6))
    with engine.open().pin() as index:
        hits = index.search(request("eduroam", limit=5))
        assert (len(hits.dense), len(hits.sparse)) == (5, 5)
        assert len(index.search(request("eduroam", limit=50)).dense) == 8


def _pages(count: int) -> list[Record]:
    return [make(f"p{i}", "eduroam for all") for i in range(count)]


def both_languages_are_asked(engine: Engine) -> None:
    german = make("de", "Die Prüfungen und das WLAN", title="", language="de")
    english = make("en", "The examinations and the WLAN", title="")
    french = make("fr", "Le WLAN", title="", language="fr")
    store_all(engine.open(), german, english, french)
    with engine.open().pin() as index:
        assert ids(index.search(request("WLAN")).sparse) == {"wiki:de", "wiki:en", "wiki:fr"}
        # Each with its own language's endings.
        assert ids(index.search(request("Prüfung")).sparse) == {"wiki:de"}
        assert ids(index.search(request("examination")).sparse) == {"wiki:en"}
        assert index.search(request("the und")).sparse == ()
        assert all(hit.score > 0 for hit in index.search(request("WLAN")).sparse)


def a_word_that_few_have_counts_more(engine: Engine) -> None:
    pages = [make(f"p{i}", "printer paper", title="") for i in range(8)]
    store_all(engine.open(), *pages, make("rare", "printer toner", title=""))
    with engine.open().pin() as index:
        assert ids(index.search(request("paper toner", limit=1)).sparse) == {"wiki:rare"}


def sources_restrict_the_search(engine: Engine) -> None:
    store_all(engine.open(), make("a"), make("b", source="courses"), make("c", source="tickets"))
    with engine.open().pin() as index:
        hits = index.search(request(sources=("wiki", "tickets", "other")))
        assert ids(hits.dense) == ids(hits.sparse) == {"wiki:a", "tickets:c"}
        assert not index.search(request(sources=("other",))).dense


CHECKS: tuple[Check, ...] = (
    nothing_without_a_shared_label_is_ever_returned,
    an_asker_without_labels_sees_nothing,
    a_passage_comes_back_as_it_was_put,
    scroll_gives_every_passage_once,
    search_is_by_cosine_and_exact_where_asked,
    rankings_fall_and_ties_are_in_order,
    limit_counts_passages_of_each_side,
    both_languages_are_asked,
    a_word_that_few_have_counts_more,
    sources_restrict_the_search,
)
