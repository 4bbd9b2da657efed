"""Steps that the tests of the embedded engine's versions share."""

from pathlib import Path

from indexes import durable
from indexes.generations import EdgeStore
from rag.core.definitions.sources import Facet
from rag.core.records import Labels, Record
from tests.contracts.index_material import PUBLIC, store_all
from tests.engines import edge

STAFF: Labels = frozenset({"staff"})


def opened(folder: Path, *, keep: int = 3, facet: str = "level") -> EdgeStore:
    """A new store, as another process would open it."""
    return edge(folder, {facet: Facet()}, keep=keep)


def put(folder: Path, *records: Record, keep: int = 3) -> str:
    return store_all(opened(folder, keep=keep), *records)


def seen(store: EdgeStore, labels: Labels = PUBLIC) -> dict[str, str]:
    """Text by record, as the live version has it."""
    with store.pin() as index:
        return {passage.record_id: passage.text for passage in index.scroll(labels=labels)}


def roll_back(folder: Path, generation: str) -> None:
    durable.replace_text(folder / "CURRENT", generation + "\n")
