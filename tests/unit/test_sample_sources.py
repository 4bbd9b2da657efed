"""The sample campus goes in through its own YAML, whole."""

from collections import Counter
from pathlib import Path

import pytest

from connectors.catalogue import CatalogueConnector
from connectors.files import FilesConnector
from connectors.records import RecordsConnector
from rag.core.contracts import Source
from rag.core.definitions.sources import CatalogueSource, FilesSource, RecordsSource
from rag.core.records import Record, Unreadable, Upsert
from rag.core.settings import Settings, load

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(CONFIG)


def records(source: Source) -> dict[str, Record]:
    changes = list(source.changes(None))
    assert not [change for change in changes if isinstance(change, Unreadable)]
    found = {change.record.key: change.record for change in changes if isinstance(change, Upsert)}
    assert list(source.keys() or ()) == list(found)
    assert all(record.text and record.title and record.url for record in found.values())
    return found


def test_the_wiki_is_public_and_its_internal_pages_are_not(settings: Settings) -> None:
    definition = settings.sources["it-wiki"]
    assert isinstance(definition, FilesSource)
    found = records(FilesConnector("it-wiki", definition))
    assert len(found) >= 45
    for key, record in found.items():
        folder = key.split("/")[0]
        assert record.labels == ({"staff"} if folder == "intern" else {"public"})
        assert record.language == (folder if folder in {"de", "en"} else None)
    page = found["de/vpn.md"]
    assert page.url == "https://wiki.sonnhagen.example/de/vpn"


def test_the_tickets_name_their_own_labels(settings: Settings) -> None:
    definition = settings.sources["it-tickets"]
    assert isinstance(definition, RecordsSource)
    found = records(RecordsConnector("it-tickets", definition))
    assert len(found) >= 70
    labels = Counter(record.labels for record in found.values())
    assert set(labels) == {frozenset({"public"}), frozenset({"staff"})}
    assert all(record.facets.keys() <= {"queue", "status"} for record in found.values())


def test_the_courses_are_mapped_to_values_of_every_declared_facet(settings: Settings) -> None:
    definition = settings.sources["courses"]
    assert isinstance(definition, CatalogueSource)
    found = records(CatalogueConnector("courses", definition))
    assert len(found) == 120
    seen = {name: set[object]() for name in definition.facets}
    for record in found.values():
        for name, value in record.facets.items():
            seen[name].update(value if isinstance(value, tuple) else (value,))
    for name in ("type", "language", "level", "weekday", "exam"):
        mapped = definition.columns[name].map
        assert mapped is not None
        assert seen[name] <= set(mapped.values()), f"{name} has a value that is not mapped"
    assert all(seen.values())


def test_a_course_is_written_in_both_languages(settings: Settings) -> None:
    definition = settings.sources["courses"]
    assert isinstance(definition, CatalogueSource)
    record = records(CatalogueConnector("courses", definition))["INF-1401@2026S"]
    assert record.title == "INF-1401 Rechnernetze / INF-1401 Computer Networks"
    german, english = record.text.split("\n\n## INF-1401 Computer Networks\n\n")
    assert german.startswith("## INF-1401 Rechnernetze\n\n")
    assert "- **Wochentag:** Do" in german
    assert "- **Weekday:** Thursday" in english
    assert record.facets["weekday"] == ("thu",)
    assert record.facets["semester_end"] == "2026-09-30"
    assert record.partition == "2026S"
    assert record.labels == {"public"}
