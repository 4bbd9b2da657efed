"""The index contract passes on both engines, and fails on each planted fault.

The vendor's in-process client stands in for a Qdrant server here: the same calls, in Python.
"""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from indexes.revocations import RevocationLog
from rag.core.contracts import Hit, SearchRequest
from rag.core.errors import RagError
from rag.core.filters import Eq, Range
from rag.core.records import Labels, Record
from tests import engines
from tests.contracts import index_contract as reading
from tests.contracts import index_faults as faults
from tests.contracts import index_filter_contract as filtering
from tests.contracts import index_material as material
from tests.contracts import index_reading_faults as readers
from tests.contracts import index_store_contract as writing
from tests.contracts.index_material import Check, Engine

# The in-process client says that it builds no payload index and searches exactly: that is known.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]

CHECKS = (*writing.CHECKS, *reading.CHECKS, *filtering.CHECKS)


def edge(folder: Path) -> Engine:
    return Engine(
        open=lambda: engines.edge(folder),
        open_other=lambda: engines.edge(folder, material.OTHER_FACETS),
        revoked=lambda: revoked(folder),
        in_place=False,
    )


def server(folder: Path) -> Engine:
    client = QdrantClient(":memory:")
    return Engine(
        open=lambda: engines.server(folder, client=client),
        open_other=lambda: engines.server(folder, material.OTHER_FACETS, client=client),
        revoked=lambda: revoked(folder),
        in_place=True,
    )


def revoked(folder: Path) -> list[tuple[str, Labels | None]]:
    log = RevocationLog(folder / "revocations.jsonl")
    return [(each.record_id, each.labels) for each in log.since(0)]


ENGINES = {"edge": edge, "server": server}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("engine", ENGINES)
def test_engine(engine: str, check: Check, quick_path: Path) -> None:
    check(ENGINES[engine](quick_path / "campus"))


def test_both_engines_agree(quick_path: Path) -> None:
    """The same ids up to ties, and the same scores, under exact search."""
    chance = random.Random(20261101)
    records = [_random_record(chance, number) for number in range(150)]
    stores = [make(quick_path / name).open() for name, make in ENGINES.items()]
    for store in stores:
        material.store_all(store, *records)
        # Deleted and changed points must leave no trace in the statistics of words.
        with store.write() as writer:
            for record in records[:20]:
                writer.delete(record.id)
            changed = replace(records[20], text="ganz anders")
            writer.put([(changed, material.embed(changed))])
            writer.publish()
    with stores[0].pin() as one, stores[1].pin() as other:
        for _ in range(60):
            wanted = _random_request(chance)
            _agree(one.search(wanted).dense, other.search(wanted).dense)
            _agree(one.search(wanted).sparse, other.search(wanted).sparse)
            for field in material.FACETS:
                counts, same = (
                    index.facets(field, labels=wanted.labels, filter=wanted.filter)
                    for index in (one, other)
                )
                assert counts == same


def _agree(one: tuple[Hit, ...], other: tuple[Hit, ...]) -> None:
    assert [hit.score for hit in one] == pytest.approx(
        [hit.score for hit in other], rel=1e-4, abs=1e-6
    )
    differing = {hit.passage.id for hit in one} ^ {hit.passage.id for hit in other}
    for hit in (*one, *other):
        if hit.passage.id in differing:
            assert hit.score == pytest.approx(one[-1].score, rel=1e-4, abs=1e-6)


_WORDS = ["WLAN", "eduroam", "Drucker", "printer", "Prüfung", "exam", "Passwort", "Mensa", "VPN"]


def _random_record(chance: random.Random, number: int) -> Record:
    paragraphs = [
        " ".join(chance.choices(_WORDS, k=chance.randint(1, 12)))
        for _ in range(chance.randint(1, 3))
    ]
    return material.make(
        f"{number:03}",
        "\n\n".join(paragraphs),
        language=chance.choice(["de", "en"]),
        labels=frozenset(chance.sample(["public", "staff", "students"], chance.randint(0, 3))),
        facets={"ects": chance.choice([2.5, 5.0]), "level": chance.choice("bm"), "remote": True},
    )


def _random_request(chance: random.Random) -> SearchRequest:
    return material.request(
        " ".join(chance.choices(_WORDS, k=chance.randint(1, 4))),
        labels=frozenset(chance.sample(["public", "staff", "students"], chance.randint(1, 3))),
        limit=chance.choice([1, 5, 20, 500]),
        filter=chance.choice([None, Eq(field="level", value="b"), Range(field="ects", gte=3)]),
    )


FAULTS: tuple[tuple[Check, type], ...] = (
    (writing.before_the_first_publish_nothing_can_be_pinned, faults.PinsBeforeTheFirst),
    (writing.a_built_index_answers_a_ping, faults.HasAnotherName),
    (writing.the_version_is_the_one_that_was_published, readers.NamesNoVersion),
    (writing.an_open_store_sees_what_was_published_since, faults.NeverLooksAgain),
    (writing.a_pinned_version_does_not_change, faults.PinsNothing),
    (writing.there_is_one_writer_at_a_time, faults.TwoWriters),
    (writing.leaving_without_publish_leaves_the_published_version, faults.PublishesOnLeaving),
    (writing.another_schema_begins_a_fresh_version, faults.NeverFresh),
    (writing.another_schema_begins_a_fresh_version, faults.CursorsAside),
    (writing.a_version_of_another_schema_is_not_read, faults.ReadsAnySchema),
    (writing.put_replaces_the_former_version, faults.KeepsTheFirstVersion),
    (writing.put_removes_surplus_passages, faults.LeavesSurplus),
    (writing.a_put_within_one_writer_counts, faults.LeavesSurplus),
    (writing.relabel_changes_access_and_nothing_else, faults.RelabelsNothing),
    (writing.relabel_changes_access_and_nothing_else, faults.RelabelsByDeleting),
    (writing.delete_removes_every_passage, faults.DeletesNothing),
    (writing.delete_removes_every_passage, faults.HidesInsteadOfDeleting),
    (writing.an_unknown_id_is_no_error, faults.KnowsNoUnknown),
    (writing.every_call_is_idempotent, faults.DeletesEveryOther),
    (writing.entries_tell_what_is_in_the_index, faults.EntriesOfAllSources),
    (writing.entries_tell_what_is_in_the_index, faults.EntriesWithoutExpiry),
    (writing.entries_may_be_deleted_while_they_are_listed, faults.EntriesEndEarly),
    (writing.a_cursor_lives_beside_the_data, faults.ForgetsTheCursor),
    (writing.a_cursor_is_not_durable_before_its_data, faults.CursorsAside),
    (writing.a_cursor_is_nothing_that_can_be_found, faults.CursorsAsRecords),
    (writing.a_writer_may_go_on_after_publish, faults.PublishesOnce),
    (writing.an_empty_index_can_be_published, faults.PublishesOnlySomething),
    (writing.deletes_and_narrowed_labels_are_revoked, faults.ForgottenRevocations),
    (reading.nothing_without_a_shared_label_is_ever_returned, readers.SearchesWithoutLabels),
    (reading.nothing_without_a_shared_label_is_ever_returned, readers.ScrollsWithoutLabels),
    (reading.nothing_without_a_shared_label_is_ever_returned, readers.CountsWithoutLabels),
    (reading.nothing_without_a_shared_label_is_ever_returned, readers.FacetsWithoutLabels),
    (reading.nothing_without_a_shared_label_is_ever_returned, readers.FiltersLabelsAfterwards),
    (reading.an_asker_without_labels_sees_nothing, readers.NobodyIsEverybody),
    (reading.a_passage_comes_back_as_it_was_put, readers.LosesTheHeadings),
    (reading.a_passage_comes_back_as_it_was_put, readers.NumbersAsTexts),
    (reading.scroll_gives_every_passage_once, readers.ScrollsOnePage),
    (reading.scroll_gives_every_passage_once, readers.ScrollsTwice),
    (reading.search_is_by_cosine_and_exact_where_asked, readers.ScoresByDistance),
    (reading.search_is_by_cosine_and_exact_where_asked, readers.MissesTheBest),
    (reading.rankings_fall_and_ties_are_in_order, readers.LeavesTiesAsTheyCome),
    (reading.limit_counts_passages_of_each_side, readers.IgnoresTheLimit),
    (reading.both_languages_are_asked, readers.AsksOneLanguage),
    (reading.a_word_that_few_have_counts_more, readers.CountsTermsOnly),
    (reading.sources_restrict_the_search, readers.SearchesEverySource),
    (filtering.filters_mean_what_they_say, readers.SearchesWithoutFilter),
    (filtering.every_simple_filter_means_what_it_says, readers.CountsWithoutFilter),
    (filtering.a_filter_that_does_not_fit_is_a_bad_question, readers.AnswersBadQuestions),
    (filtering.facets_count_records_most_frequent_first, readers.FacetsFromTheRarest),
    (filtering.count_counts_records, readers.CountsPassages),
)


# Where writes are in place, these faults are none.
SEALED_ONLY = {
    writing.a_pinned_version_does_not_change,
    writing.a_cursor_is_not_durable_before_its_data,
    writing.a_writer_may_go_on_after_publish,
}


def test_every_sentence_has_a_planted_fault() -> None:
    assert {check for check, _ in FAULTS} == set(CHECKS)


@pytest.mark.parametrize(("check", "fault"), FAULTS)
def test_the_contract_catches_the_fault(check: Check, fault: type, quick_path: Path) -> None:
    make = edge if check in SEALED_ONLY else server
    with pytest.raises((AssertionError, pytest.fail.Exception, RagError)):
        check(faults.spoil(make(quick_path / "campus"), fault))
