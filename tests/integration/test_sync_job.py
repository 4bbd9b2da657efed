"""A sync over several sources of one index, as the configuration names them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag.app.jobs.sync import SyncReport, sync
from rag.app.wiring import Campus
from rag.core.contracts import Silent
from rag.core.records import PUBLIC, Labels
from rag.core.settings import load

EVERYBODY: Labels = frozenset({PUBLIC, "staff"})
SOURCE = "kind: records\npath: ../../{name}.jsonl\nallowed_labels: [public, staff]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A configuration of two record sources in one index."""

    root: Path

    def write(self, name: str, *records: dict[str, Any]) -> None:
        """Replace what the source holds."""
        lines = [json.dumps({"kind": "page", "labels": ["public"], **each}) for each in records]
        (self.root / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")

    def name_sources(self, *names: str) -> None:
        """Let the index read these."""
        listed = ", ".join(names)
        (self.root / "config" / "indexes" / "all.yaml").write_text(f"sources: [{listed}]\n")

    def campus(self) -> Campus:
        return Campus(load(self.root / "config"), self.root / "data")

    def sync(self) -> SyncReport:
        return sync(self.campus(), progress=Silent())

    def visible(self, *labels: str) -> set[str]:
        """Ids of all records that the labels may see."""
        with self.campus().store("all").pin() as index:
            return {each.record_id for each in index.scroll(labels=frozenset(labels))}


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(root=tmp_path)
    for folder in ("sources", "indexes"):
        (tmp_path / "config" / folder).mkdir(parents=True)
    (tmp_path / "config" / "rag.yaml").touch()
    for name in ("one", "two"):
        (tmp_path / "config" / "sources" / f"{name}.yaml").write_text(SOURCE.format(name=name))
        made.write(name, {"key": "a", "text": f"First of {name}."})
    made.name_sources("one", "two")
    return made


def test_a_source_that_is_no_longer_named_leaves_the_index(house: House) -> None:
    house.sync()
    assert house.visible(PUBLIC) == {"one:a", "two:a"}
    house.name_sources("one")
    report = house.sync()
    assert house.visible(PUBLIC) == {"one:a"}
    assert [(each.source, each.deleted) for each in report.sources] == [("two", 1), ("one", 0)]


def test_one_source_that_is_gone_does_not_stop_the_other(house: House) -> None:
    house.sync()
    (house.root / "one.jsonl").unlink()
    house.write("two", {"key": "a", "text": "First of two."}, {"key": "b", "text": "New."})
    report = house.sync()
    one, two = report.sources
    assert one.outage
    assert two.added == 1
    assert house.visible(PUBLIC) == {"one:a", "two:a", "two:b"}


def test_where_no_source_can_be_read_nothing_is_published(house: House) -> None:
    for name in ("one", "two"):
        (house.root / f"{name}.jsonl").unlink()
    report = house.sync()
    assert report.is_short
    assert report.versions == {"all": ""}
    assert not (house.root / "data" / "indexes" / "all" / "CURRENT").exists()


def test_a_record_whose_labels_are_not_known_any_more_is_seen_by_nobody(house: House) -> None:
    """Until the line is mended: what it says now may be for fewer people than before."""
    house.sync()
    house.write("one", {"key": "a", "text": "First of one.", "labels": ["staff", "dean"]})
    report = house.sync()
    assert report.sources[0].failed == 1
    assert house.visible(*EVERYBODY) == {"two:a"}
    house.write("one", {"key": "a", "text": "First of one.", "labels": ["staff"]})
    assert house.sync().sources[0].relabelled == 1
    assert house.visible("staff") == {"one:a"}
    assert house.visible(PUBLIC) == {"two:a"}


def test_what_one_source_revokes_does_not_wait_for_the_other_to_be_embedded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.write("two", {"key": "a", "text": "First."}, {"key": "b", "text": "Second."})
    house.sync()
    house.write("one", {"key": "a", "text": "Another text, which has to be embedded."})
    house.write("two", {"key": "b", "text": "Second."})
    seen_while_embedding: list[set[str]] = []
    campus = house.campus()
    embedder = campus.embedder("default")
    make = embedder.embed_passages

    def look_and_make(texts: Any) -> Any:
        seen_while_embedding.append(house.visible(PUBLIC))
        return make(texts)

    monkeypatch.setattr(embedder, "embed_passages", look_and_make)
    sync(campus, progress=Silent())
    assert seen_while_embedding == [{"one:a", "two:b"}]
