"""What flows from a source system to an index: records, changes to them, passages cut from them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

Kind = Literal["page", "ticket", "course", "file"]
Labels = frozenset[str]
FacetValue = str | int | float | bool | tuple[str, ...]
Vector = Sequence[float]

PUBLIC = "public"
_PASSAGES = UUID("6f0e6f0a-52c1-5d0f-9f2b-7a3a4bb0c0de")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One page, ticket, course or file of one source system.

    `text` is Markdown. `labels` says who may read it: a set with no member means nobody.
    Times are aware. `facets` hold the typed attributes that the source's YAML declares; dates among
    them are ISO 8601 strings. `partition` names the part of the source that is listed as a whole,
    a semester for example.
    """

    source: str
    key: str
    kind: Kind
    text: str
    title: str = ""
    url: str = ""
    labels: Labels = frozenset()
    language: str | None = None
    updated_at: datetime | None = None
    valid_until: datetime | None = None
    partition: str = ""
    facets: Mapping[str, FacetValue] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`source:key`: stable for as long as the source system keeps its own key.

        >>> Record(source="it-wiki", key="de/vpn.md", kind="page", text="…").id
        'it-wiki:de/vpn.md'
        """
        return record_id(self.source, self.key)

    def digest(self) -> str:
        """Hash of everything a search can return or filter by, the labels left out.

        Two records with one digest need no new passage, vector or payload; labels are compared by
        themselves, because a change of access must not wait for a change of content.
        """
        return digest(
            self.kind,
            self.text,
            self.title,
            self.url,
            self.language or "",
            self.updated_at.isoformat() if self.updated_at else "",
            self.valid_until.isoformat() if self.valid_until else "",
            self.partition,
            json.dumps(dict(self.facets), sort_keys=True, ensure_ascii=False),
        )


def record_id(source: str, key: str) -> str:
    """The one place that joins a source's name and its key."""
    return f"{source}:{key}"


def digest(*parts: str) -> str:
    """Hex BLAKE2b-128 over the parts, each with its length: no two lists collide by joining.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        h.update(len(data).to_bytes(8, "big"))
        h.update(data)
    return h.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """The record is live and looks like this now."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """The source system itself says that this key is gone: a tombstone."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything before this point was handed over; a later run may resume from `cursor`."""

    cursor: str


LABELS = "labels"
"""The stage of an `Unreadable` of which it is not known who may see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One document could not be read. `key` is None where not even its name is known.

    What the index holds of it stays, with one exception: at the stage `LABELS` nobody may see it
    until it can be read again.
    """

    key: str | None
    stage: str
    reason: str


Change = Upsert | Delete | Checkpoint | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a record that is embedded, found and quoted on its own.

    `url` leads to the place, with an anchor where the page has one. `heading_path` runs from the
    title down. Passages of one record are numbered from 0 without a gap.
    """

    record_id: str
    ordinal: int
    text: str
    title: str
    url: str
    heading_path: tuple[str, ...]
    language: str
    kind: Kind
    source: str
    labels: Labels
    updated_at: datetime | None = None
    facets: Mapping[str, FacetValue] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """UUID derived from record and ordinal, so that writing twice is writing once."""
        return passage_id(self.record_id, self.ordinal)

    def embedded_text(self) -> str:
        """What is embedded and matched: the heading path, then the text."""
        return embedded_text(self.heading_path, self.text)


def embedded_text(heading_path: Sequence[str], text: str) -> str:
    """The one place that joins a heading path and a text.

    >>> embedded_text(("WLAN", "Android"), "Öffnen Sie …").splitlines()
    ['WLAN › Android', 'Öffnen Sie …']
    """
    path = " › ".join(heading_path)
    return f"{path}\n{text}" if path else text


def passage_id(record: str, ordinal: int) -> str:
    """UUIDv5 of record id and ordinal."""
    return str(uuid5(_PASSAGES, f"{record}#{ordinal}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseVector:
    """Term indices and their weights, of one length."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPassage:
    """A passage with its dense vector and, in its own language's field, its BM25 vector."""

    passage: Passage
    vector: Vector
    sparse: SparseVector
