"""Whatever happens in a source, one sync makes of the index what a rebuild would make of it."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.core.contracts import IndexStore
from rag.core.definitions.indexes import SweepGuard
from rag.core.records import Labels, Record
from tests.contracts.index_material import expected, make
from tests.engines import edge, server
from tests.syncing import NOW, Bench

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]
_KEYS = st.sampled_from("abcdefg")
_TEXTS = st.lists(st.sampled_from(["eduroam", "VPN", "Prüfung", "x" * 40]), min_size=1, max_size=4)
_LABELS = st.frozensets(st.sampled_from(["public", "staff", "students"]))
_EVERYBODY: Labels = frozenset({"public", "staff", "students"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A record is written or replaced; a text with several paragraphs has several passages."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    key: str
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The next read breaks off after so many changes, and is tried again."""

    after: int


Operation = Put | Relabel | Remove | Outage


def _operations() -> st.SearchStrategy[Operation]:
    records = st.builds(
        lambda key, texts, labels, days: make(
            key,
            "\n\n".join(texts),
            labels=labels,
            valid_until=None if days is None else NOW + timedelta(days=days),
        ),
        _KEYS,
        _TEXTS,
        _LABELS,
        st.none() | st.integers(-1, 4),
    )
    return st.one_of(
        st.builds(Put, record=records),
        st.builds(Relabel, key=_KEYS, labels=_LABELS),
        st.builds(Remove, key=_KEYS),
        st.builds(Outage, after=st.integers(0, 5)),
    )


def _apply(bench: Bench, operation: Operation) -> None:
    source = bench.source
    match operation:
        case Put(record=record):
            source.put(record)
        case Relabel(key=key, labels=labels) if key in source.records:
            source.relabel(key, labels)
        case Remove(key=key) if key in source.records:
            source.remove(key)
        case Outage(after=after):
            source.outage_after = after
            bench.sync()
            source.outage_after = None
        case _:
            pass


@pytest.mark.parametrize("make_store", [edge, server])
@pytest.mark.parametrize("has", ["keys", "tombstones", "nothing"])
def test_one_sync_equals_a_rebuild(
    make_store: Callable[[Path], IndexStore], has: str, quick_path: Path
) -> None:
    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.lists(_operations(), min_size=1, max_size=6), min_size=1, max_size=4))
    def check(rounds: list[list[Operation]]) -> None:
        with tempfile.TemporaryDirectory(dir=quick_path) as folder:
            _live_through(rounds, Path(folder), make_store, has)

    check()


def _live_through(
    rounds: list[list[Operation]],
    folder: Path,
    make_store: Callable[[Path], IndexStore],
    has: str,
) -> None:
    bench = Bench(store=make_store(folder / "campus"), folder=folder, guard=SweepGuard(share=1))
    bench.source = replace(
        bench.source,
        has_keys=has == "keys",
        has_tombstones=has == "tombstones",
        checkpoint_every=2,
    )
    for day, operations in enumerate(rounds):
        now = NOW + timedelta(days=day)
        for operation in operations:
            _apply(bench, operation)
        bench.sync(full=has == "nothing", now=now)
        _compare(bench, [r for r in bench.source.records.values() if _is_valid(r, now)])
    rebuilt = replace(bench, store=make_store(folder / "rebuilt"))
    rebuilt.sync(full=True, now=now)
    assert rebuilt.passages(_EVERYBODY) == bench.passages(_EVERYBODY)


def _is_valid(record: Record, now: object) -> bool:
    return record.valid_until is None or str(record.valid_until) > str(now)


def _compare(bench: Bench, records: list[Record]) -> None:
    for labels in (_EVERYBODY, frozenset({"public"}), frozenset({"staff"})):
        assert bench.passages(labels) == expected(*(r for r in records if r.labels & labels))
    with bench.store.write() as writer:
        entries = {entry.record_id: entry for entry in writer.entries("wiki")}
    assert {key: (e.digest, e.labels) for key, e in entries.items()} == {
        record.id: (record.digest(), record.labels) for record in records
    }
