"""Stand-ins for what tests can't have: a model, and an upstream system that obeys."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rag.core.errors import RetryLater
from rag.core.records import (
    Change,
    Checkpoint,
    Delete,
    Labels,
    Record,
    Unreadable,
    Upsert,
    Vector,
)

_BUMPS = 4


class HashEmbedder:
    """Hashed bags of words: texts that share words are near. The same everywhere and always."""

    def __init__(self, dimension: int = 32) -> None:
        self._dimension = dimension
        self.embedded: list[str] = []

    @property
    def key(self) -> str:
        return f"hash-{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return 256

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.embedded.extend(texts)
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> Vector:
        vector = [0.0] * self._dimension
        for word in text.lower().split():
            digest = hashlib.blake2b(
                word.encode("utf-8", "replace"), digest_size=2 * _BUMPS
            ).digest()
            for i in range(_BUMPS):
                vector[digest[2 * i] % self._dimension] += 1.0 if digest[2 * i + 1] % 2 else -1.0
        length = math.sqrt(sum(each * each for each in vector))
        if not length:
            return [1.0, *vector[1:]]
        return [each / length for each in vector]


@dataclass(slots=True, kw_only=True)
class ListSource:
    """A source in memory, which its test edits.

    A cursor names the last change that was handed over; in the middle of a read also the last key.
    `has_keys` and `has_tombstones` say what the system can do. `outage_after` counts changes.
    """

    name: str = "wiki"
    has_keys: bool = False
    has_tombstones: bool = False
    checkpoint_every: int | None = None
    outage_after: int | None = None
    keys_outage: bool = False
    unreadable: set[str] = field(default_factory=set)
    unnamed: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    reads: list[str | None] = field(default_factory=list)
    _clock: int = 0
    _changed: dict[str, int] = field(default_factory=dict)

    def put(self, *records: Record) -> None:
        for record in records:
            self.records[record.key] = record
            self._note(record.key)

    def edit(self, key: str, text: str) -> None:
        self.put(replace(self.records[key], text=text))

    def relabel(self, key: str, labels: Labels) -> None:
        self.put(replace(self.records[key], labels=labels))

    def remove(self, *keys: str) -> None:
        for key in keys:
            del self.records[key]
            self._note(key)

    def changes(self, since: str | None) -> Iterator[Change]:
        self.reads.append(since)
        base, after, at = _parse(since) if since else (0, "", self._clock)
        if not after:
            at = self._clock
        for count, change in enumerate(self._changes(base, after, at)):
            if count == self.outage_after:
                raise RetryLater("The system went down in the middle.")
            yield change

    def keys(self) -> Iterator[str] | None:
        return self._keys() if self.has_keys else None

    def _keys(self) -> Iterator[str]:
        for count, key in enumerate(sorted(self.records)):
            if self.keys_outage and count:
                raise RetryLater("The listing broke off.")
            yield key

    def _note(self, key: str) -> None:
        self._clock += 1
        self._changed[key] = self._clock

    def _changes(self, base: int, after: str, at: int) -> Iterator[Change]:
        for _ in range(self.unnamed):
            yield Unreadable(key=None, stage="reading", reason="nobody knows what this is")
        for count, key in enumerate(sorted(self._changed), start=1):
            if self._changed[key] <= base or (key <= after and self._changed[key] <= at):
                continue
            yield from self._change(key)
            if self.checkpoint_every and count % self.checkpoint_every == 0:
                yield Checkpoint(cursor=f"{base}|{key}|{at}")
        yield Checkpoint(cursor=f"{at}||{at}")

    def _change(self, key: str) -> Iterator[Change]:
        if key in self.unreadable:
            yield Unreadable(key=key, stage="parsing", reason="broken")
        elif key in self.records:
            yield Upsert(record=self.records[key])
        elif self.has_tombstones:
            yield Delete(key=key)


def _parse(cursor: str) -> tuple[int, str, int]:
    base, after, at = cursor.split("|")
    return int(base), after, int(at)
