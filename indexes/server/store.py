"""Versions on a Qdrant server: one collection a version, one alias that names the live one.

A writer changes the live collection in place. Before the points of a record change, the first of
them says so by an empty digest; the true one is written when all are there. So a killed writer's
work is done again, and none of its points is without an owner. Cursors are kept as points without
labels in the same collection: a snapshot of the data is a snapshot of its cursors.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient, models

from indexes import durable, lock
from indexes.ledger import Ledger, all_entries
from indexes.payload import entry_of
from indexes.pinned import PinnedIndex
from indexes.revocations import Revocation, RevocationLog
from indexes.schema import IndexSchema
from indexes.server.points import Collection, asked
from rag.core.contracts import Index, IndexWriter, LedgerEntry
from rag.core.definitions.engines import ServerEngine
from rag.core.errors import NotFound
from rag.core.records import EmbeddedPassage, Labels, Record

_SCHEMA = "schema"

Connect = Callable[[], QdrantClient]


def connect(engine: ServerEngine, api_key: str | None) -> QdrantClient:
    """A client for the server that the definition names; gRPC where it is allowed."""
    trust: dict[str, Any] = {"verify": str(engine.ca_file)} if engine.ca_file else {}
    return QdrantClient(
        url=engine.url,
        # The client offers no way to give its gRPC channel a CA of one's own.
        prefer_grpc=engine.grpc and engine.ca_file is None,
        grpc_port=engine.grpc_port,
        api_key=api_key,
        timeout=round(engine.timeout) or 1,
        check_compatibility=False,
        **trust,
    )


class ServerStore:
    """All versions of one index on a server; an `IndexStore`. Connects when first used."""

    def __init__(
        self,
        name: str,
        folder: Path,
        schema: IndexSchema,
        *,
        engine: ServerEngine,
        keep: int,
        connect: Connect,
    ) -> None:
        self._name = name
        self._folder = folder
        self._schema = schema
        self._engine = engine
        self._keep = keep
        self._connect = connect

    @property
    def name(self) -> str:
        """The index definition's name."""
        return self._name

    def ping(self) -> None:
        """The server answers and the alias leads to a collection of this schema."""
        self._live()

    @contextmanager
    def pin(self) -> Iterator[Index]:
        """The collection behind the alias."""
        live = self._live()
        yield PinnedIndex(live.name, live, self._schema.facets, hnsw_ef=self._engine.hnsw_ef)

    @contextmanager
    def write(self) -> Iterator[IndexWriter]:
        """The one writer on this machine; see `IndexStore.write`."""
        with lock.exclusive(self._folder / "lock"), durable.disk_errors(self._folder):
            versions = Versions(self._client, self._engine.prefix + self._name)
            writer = CollectionWriter(
                versions, self._folder, self._schema, engine=self._engine, keep=self._keep
            )
            try:
                yield writer
            finally:
                writer.close()

    @cached_property
    def _client(self) -> QdrantClient:
        return self._connect()

    def _live(self) -> Collection:
        live = Versions(self._client, self._engine.prefix + self._name).live()
        if live is None:
            raise NotFound(
                f"The index “{self._name}” has never been built.", mend="Run “rag sync”."
            )
        if not matches(live, self._schema):
            raise NotFound(
                f"The index “{self._name}” was built with other settings of embedder or facets.",
                mend="Run “rag sync” to build it anew.",
            )
        return live


class Versions:
    """The collections of one index, and the alias that names the live one."""

    def __init__(self, client: QdrantClient, alias: str) -> None:
        self._client = client
        self._alias = alias

    def live(self) -> Collection | None:
        """What the alias names."""
        aliases = asked(self._client.get_aliases).aliases
        named = [each.collection_name for each in aliases if each.alias_name == self._alias]
        return Collection(self._client, named[0]) if named else None

    def begin(self) -> Collection:
        """The next version; leftovers of one that was never promoted are removed."""
        for collection in self._all():
            if collection.noted(_SCHEMA) is None:
                asked(lambda name=collection.name: self._client.delete_collection(name))  # type: ignore[misc]
        number = max((_number(each.name) for each in self._all()), default=0) + 1
        return Collection(self._client, f"{self._alias}-v{number:06d}")

    def promote(self, collection: Collection) -> None:
        """Turn the alias, in one step on the server."""
        operations: list[models.AliasOperations] = []
        if self.live() is not None:
            delete = models.DeleteAlias(alias_name=self._alias)
            operations.append(models.DeleteAliasOperation(delete_alias=delete))
        create = models.CreateAlias(collection_name=collection.name, alias_name=self._alias)
        operations.append(models.CreateAliasOperation(create_alias=create))
        asked(lambda: self._client.update_collection_aliases(operations))

    def prune(self, keep: int) -> None:
        """Remove all but the live and the newest other versions, `keep` in all."""
        live = self.live()
        others = [each.name for each in self._all() if live is None or each.name != live.name]
        for name in others[: max(0, len(others) - (keep - 1))]:
            asked(lambda name=name: self._client.delete_collection(name))  # type: ignore[misc]

    def _all(self) -> list[Collection]:
        """Every version, oldest first."""
        found = asked(self._client.get_collections).collections
        prefix = f"{self._alias}-v"
        names = [each.name for each in found if each.name.startswith(prefix)]
        numbered = sorted((n for n in names if n[len(prefix) :].isdigit()), key=_number)
        return [Collection(self._client, name) for name in numbered]


class CollectionWriter:
    """Writes to the live collection, or to a new one where the schema changed; an `IndexWriter`."""

    def __init__(
        self,
        versions: Versions,
        folder: Path,
        schema: IndexSchema,
        *,
        engine: ServerEngine,
        keep: int,
    ) -> None:
        self._versions = versions
        self._schema = schema
        self._keep = keep
        self._log = RevocationLog(folder / "revocations.jsonl")
        self._ledger = Ledger(None)
        live = versions.live()
        self._fresh = live is None or not matches(live, schema)
        if live is None or self._fresh:
            self._collection = versions.begin()
            self._collection.create(schema.dimension, schema.facets, engine)
        else:
            self._collection = live
            for entry in live.entries():
                self._ledger.put(entry)

    @property
    def fresh(self) -> bool:
        """Whether the collection began empty."""
        return self._fresh

    def put(self, batch: Sequence[tuple[Record, Sequence[EmbeddedPassage]]]) -> None:
        """See `IndexWriter.put`."""
        if not batch:
            return
        entries = [entry_of(record, len(embedded)) for record, embedded in batch]
        for entry in entries:
            self._revoke_narrowed(entry.record_id, entry.labels)
        unfinished = {entry.record_id: self._unfinished(entry) for entry in entries}
        passages = [each for _, embedded in batch for each in embedded]
        self._collection.upsert([e for e in passages if e.passage.ordinal == 0], unfinished)
        self._collection.upsert([e for e in passages if e.passage.ordinal > 0], unfinished)
        for entry in entries:
            last = unfinished[entry.record_id].passages
            self._collection.delete(entry.record_id, entry.passages, last)
        self._collection.confirm(entries)
        for entry in entries:
            self._ledger.put(entry)
        durable.step("batch-put")

    def relabel(self, record_id: str, labels: Labels) -> None:
        """See `IndexWriter.relabel`."""
        known = self._ledger.entry(record_id)
        if known is not None and known.labels != labels:
            self._revoke_narrowed(record_id, labels)
            self._collection.relabel(record_id, labels)
            self._ledger.relabel(record_id, labels)

    def delete(self, record_id: str) -> None:
        """See `IndexWriter.delete`."""
        known = self._ledger.entry(record_id)
        if known is not None:
            self._log.append([Revocation(record_id=record_id, labels=None)])
            # The point that names the record goes last, so that none is left without it.
            self._collection.delete(record_id, 1, known.passages)
            self._collection.delete(record_id, 0, 1)
            self._ledger.delete(record_id)

    def sources(self) -> frozenset[str]:
        """See `IndexWriter.sources`."""
        return self._ledger.sources()

    def entries(self, source: str) -> Iterator[LedgerEntry]:
        """See `IndexWriter.entries`."""
        return all_entries(lambda: self._ledger, source)

    def entry(self, record_id: str) -> LedgerEntry | None:
        """See `IndexWriter.entry`."""
        return self._ledger.entry(record_id)

    def cursor(self, source: str) -> str | None:
        """See `IndexWriter.cursor`."""
        noted = self._collection.noted(f"cursor:{source}")
        return str(noted["cursor"]) if noted else None

    def set_cursor(self, source: str, cursor: str | None) -> None:
        """See `IndexWriter.set_cursor`."""
        self._collection.note(f"cursor:{source}", None if cursor is None else {"cursor": cursor})
        durable.step("cursor-set")

    def publish(self) -> str:
        """See `IndexWriter.publish`."""
        if self._fresh:
            # A version without this note was never finished.
            self._collection.note(_SCHEMA, {"digest": self._schema.digest()})
            self._versions.promote(self._collection)
            durable.step("promoted")
            self._versions.prune(self._keep)
            durable.step("pruned")
            self._fresh = False
        return self._collection.name

    def close(self) -> None:
        """Let go; what was written in place stays."""
        self._ledger.close()

    def _unfinished(self, entry: LedgerEntry) -> LedgerEntry:
        """The entry for as long as the record is being written: it equals no version of it."""
        known = self._ledger.entry(entry.record_id)
        passages = max(entry.passages, known.passages if known else 0)
        return replace(entry, digest="", passages=passages)

    def _revoke_narrowed(self, record_id: str, labels: Labels) -> None:
        known = self._ledger.entry(record_id)
        if known is not None and known.labels - labels:
            self._log.append([Revocation(record_id=record_id, labels=labels)])


def matches(collection: Collection, schema: IndexSchema) -> bool:
    """Whether the collection was built for this schema."""
    noted = collection.noted(_SCHEMA)
    return noted is not None and noted["digest"] == schema.digest()


def _number(collection: str) -> int:
    return int(collection.rsplit("-v", 1)[1])
