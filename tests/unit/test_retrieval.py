"""The retriever over a real index: labels, limits, filters, languages, the floor."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from indexes.edge import bm25
from indexes.retrieval import HybridRetriever
from rag.core.answers import Question, Retrieved
from rag.core.contracts import Hits, Index, IndexStore, SearchRequest
from rag.core.definitions.bots import RetrieverSettings
from rag.core.errors import BadQuestion, NotFound
from rag.core.filters import Eq, Filter
from rag.core.records import Labels
from tests.contracts.index_material import EMBEDDER, PUBLIC, make, store_all
from tests.contracts.index_reading_faults import FaultyIndex
from tests.engines import edge

STAFF: Labels = frozenset({"staff"})


class Watched:
    """A store that notes what its index was asked."""

    name = "campus"

    def __init__(self, store: IndexStore) -> None:
        self.store = store
        self.asked: list[SearchRequest] = []
        self.pinned = 0

    def ping(self) -> None:
        self.store.ping()

    @contextmanager
    def pin(self) -> Iterator[Index]:
        with self.store.pin() as index:
            self.pinned += 1
            try:
                yield WatchedIndex(index, self.asked)
            finally:
                self.pinned -= 1

    def write(self) -> object:
        raise AssertionError("A retriever writes nothing.")


class WatchedIndex(FaultyIndex):
    def __init__(self, good: Index, asked: list[SearchRequest]) -> None:
        super().__init__(good)
        self.asked = asked

    def search(self, request: SearchRequest) -> Hits:
        self.asked.append(request)
        return super().search(request)


@pytest.fixture
def store(quick_path: Path) -> Watched:
    found = edge(quick_path / "campus")
    store_all(
        found,
        make("wlan", "eduroam on a phone\n\neduroam on a laptop\n\neduroam password"),
        make("de", "Die Prüfung und das WLAN", language="de", facets={"level": "b"}),
        make("print", "printer paper and toner", facets={"level": "m"}),
        make("staff", "eduroam for staff only", labels=STAFF),
        make("course", "eduroam for beginners", source="courses"),
    )
    return Watched(found)


def retriever(
    store: Watched, *, sources: tuple[str, ...] = ("wiki", "courses"), **settings: Any
) -> HybridRetriever:
    return HybridRetriever(
        store,  # type: ignore[arg-type]  # it refuses to write
        EMBEDDER,
        RetrieverSettings.model_validate(settings),
        sources=sources,
        encode_query=bm25.encode_query,
        detect=lambda text: "de" if "ü" in text else "en",
    )


def ask(
    store: Watched,
    text: str = "eduroam phone",
    *,
    labels: Labels = PUBLIC,
    limit: int = 6,
    filters: tuple[Filter, ...] = (),
    **settings: Any,
) -> Retrieved:
    question = Question(text=text, filters=filters)
    return retriever(store, **settings).retrieve(question, labels=labels, limit=limit)


def keys(found: Retrieved) -> list[str]:
    return [each.passage.record_id.split(":")[1] for each in found.passages]


def test_best_first_one_passage_a_record(store: Watched) -> None:
    found = ask(store, "eduroam phone")
    assert keys(found)[0] == "wlan"
    assert found.passages[0].passage.text == "eduroam on a phone"
    assert len(keys(found)) == len(set(keys(found)))
    scores = [each.score for each in found.passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_labels_reach_the_engine(store: Watched) -> None:
    assert "staff" not in keys(ask(store))
    assert keys(ask(store, labels=STAFF)) == ["staff"]
    assert not ask(store, labels=frozenset()).passages
    assert [request.labels for request in store.asked] == [PUBLIC, STAFF, frozenset()]


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_at_most_so_many(store: Watched, limit: int) -> None:
    assert len(ask(store, limit=limit).passages) == min(limit, 4)


def test_candidates_are_asked_of_each_side(store: Watched) -> None:
    ask(store, candidates=17)
    ask(store, candidates=17, limit=30)
    assert [request.limit for request in store.asked] == [17, 30]


def test_the_answer_says_what_was_searched(store: Watched) -> None:
    where = (Eq(field="level", value="m"), Eq(field="level", value="m"))
    found = ask(store, "eduroam", filters=where)
    assert keys(found) == ["print"]
    assert (found.filters, found.searched) == (where, ("wiki", "courses"))
    assert found.generation == "g000001"
    assert ask(store).filters == ()


def test_only_the_bot_s_sources(store: Watched) -> None:
    found = ask(store, sources=("courses",))
    assert (keys(found), found.searched) == (["course"], ("courses",))


def test_a_wrong_filter_is_a_bad_question(store: Watched) -> None:
    with pytest.raises(BadQuestion):
        ask(store, filters=(Eq(field="colour", value="red"),))
    assert store.pinned == 0


def test_nothing_relevant_is_an_empty_result(store: Watched) -> None:
    assert ask(store, "eduroam phone", min_score=0.2).passages
    assert not ask(store, "quantum chromodynamics", min_score=0.2).passages


def test_the_weight_follows_the_question_s_language(store: Watched) -> None:
    """German questions trust BM25 more; a bot may say otherwise; the asker's language wins."""

    def dense_part(text: str, language: str | None, **settings: Any) -> float:
        question = Question(text=text, language=language)
        found = retriever(store, **settings).retrieve(question, labels=PUBLIC, limit=9)
        only = next(each for each in found.passages if each.sparse is None and each.dense)
        return only.score / max(1e-9, only.dense or 0)

    assert dense_part("Prüfung eduroam", None) == pytest.approx(0.35)
    assert dense_part("eduroam", None) == pytest.approx(0.6)
    assert dense_part("eduroam", "de") == pytest.approx(0.35)
    assert dense_part("eduroam", "fr") == pytest.approx(0.6)
    own = {"de": 0.9, "en": 0.8}
    assert dense_part("Prüfung eduroam", None, dense_weight=own) == pytest.approx(0.9)
    assert dense_part("eduroam", "fr", dense_weight=own) == pytest.approx(0.8)


def test_a_german_question_finds_german_endings(store: Watched) -> None:
    found = ask(store, "Prüfungen")
    assert [e.passage.record_id for e in found.passages if e.sparse] == ["wiki:de"]


def test_an_index_that_was_never_built(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="rag sync"):
        ask(Watched(edge(tmp_path)))
