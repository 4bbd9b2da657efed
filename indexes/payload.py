"""One form of points for both engines: payload, payload indexes, and filters as Qdrant's REST JSON.

Point ids derive from record id and ordinal. Ordinal 0 also carries the ledger entry, so that a
server's collection describes itself.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from rag.core.contracts import LedgerEntry
from rag.core.definitions.sources import Facet, FacetType
from rag.core.errors import BadQuestion, nearest
from rag.core.filters import And, AnyOf, Eq, Filter, Not, Range, Scalar
from rag.core.records import Labels, Passage, Record

DENSE = "dense"
LANGUAGES = ("de", "en")
MAX_DEPTH = 32
"""Filters nested deeper are refused: both engines would walk them by recursion."""
Schema = Mapping[str, Facet]
Json = dict[str, Any]

# Integers beyond this are not exact as JSON numbers.
_EXACT = 2**53

_BARE_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

_BASE: dict[str, FacetType] = {
    "labels": "keyword",
    "source": "keyword",
    "record": "keyword",
    "ordinal": "integer",
}


def sparse_field(language: str) -> str:
    """The BM25 field of a language; what is neither German nor English goes with English."""
    return "bm25_de" if language == "de" else "bm25_en"


def indexed_fields(schema: Schema) -> dict[str, FacetType]:
    """Payload path → type, for every payload index that an engine builds."""
    return _BASE | {f"facets.{name}": facet.type for name, facet in schema.items()}


def to_payload(passage: Passage) -> Json:
    """The passage as JSON, without its vectors."""
    return {
        "record": passage.record_id,
        "ordinal": passage.ordinal,
        "text": passage.text,
        "title": passage.title,
        "url": passage.url,
        "path": list(passage.heading_path),
        "language": passage.language,
        "kind": passage.kind,
        "source": passage.source,
        "labels": sorted(passage.labels),
        "updated_at": passage.updated_at.isoformat() if passage.updated_at else None,
        "facets": {k: list(v) if isinstance(v, tuple) else v for k, v in passage.facets.items()},
    }


def from_payload(payload: Mapping[str, Any]) -> Passage:
    """The passage that `to_payload` described."""
    updated = payload["updated_at"]
    facets = payload["facets"] or {}
    return Passage(
        record_id=payload["record"],
        ordinal=payload["ordinal"],
        text=payload["text"],
        title=payload["title"],
        url=payload["url"],
        heading_path=tuple(payload["path"]),
        language=payload["language"],
        kind=payload["kind"],
        source=payload["source"],
        labels=frozenset(payload["labels"]),
        updated_at=datetime.fromisoformat(updated) if updated else None,
        facets={k: tuple(v) if isinstance(v, list) else v for k, v in facets.items()},
    )


def entry_of(record: Record, passages: int) -> LedgerEntry:
    """What the ledger keeps of a record."""
    return LedgerEntry(
        record_id=record.id,
        source=record.source,
        partition=record.partition,
        digest=record.digest(),
        labels=record.labels,
        passages=passages,
        valid_until=record.valid_until.isoformat() if record.valid_until else "",
    )


def visible(
    labels: Labels, schema: Schema, where: Filter | None = None, sources: tuple[str, ...] = ()
) -> Json:
    """The condition that every read carries: one of the labels, and whatever else was asked.

    Raises:
        BadQuestion: the filter names an undeclared facet or compares it with the wrong type.
    """
    must: list[Json] = [{"key": "labels", "match": {"any": sorted(labels)}}]
    if sources:
        must.append({"key": "source", "match": {"any": list(sources)}})
    if where is not None:
        must.append(_condition(where, schema))
    return {"must": must}


def records_only(condition: Json) -> Json:
    """The same condition, one point a record."""
    return {"must": [*condition["must"], {"key": "ordinal", "match": {"value": 0}}]}


def _condition(where: Filter, schema: Schema, depth: int = 0) -> Json:
    if depth > MAX_DEPTH:
        raise BadQuestion(f"The filter is nested deeper than {MAX_DEPTH} times.")
    match where:
        case And():
            return {"must": [_condition(each, schema, depth + 1) for each in where.filters]}
        case Not():
            return {"must_not": [_condition(where.filter, schema, depth + 1)]}
        case Eq():
            return _equal(where.field, where.value, schema)
        case AnyOf():
            return {"should": [_equal(where.field, value, schema) for value in where.values]}
        case Range():
            return _range(where, schema)


def _equal(field: str, value: Scalar, schema: Schema) -> Json:
    key, kind = _field(field, schema)
    _check(field, kind, value)
    if kind in {"number", "date"}:
        return {"key": key, "range": _bounds(kind, gte=value, lte=value)}
    if kind == "integer":
        return {"key": key, "match": {"value": int(value)}}
    return {"key": key, "match": {"value": value}}


def _range(where: Range, schema: Schema) -> Json:
    key, kind = _field(where.field, schema)
    if kind not in {"number", "integer", "date"}:
        raise BadQuestion(f"The facet “{where.field}” has no order, so it takes no range.")
    for value in (where.gte, where.lte):
        if value is not None:
            _check(where.field, "number" if kind == "integer" else kind, value)
    bounds = _bounds(kind, gte=where.gte, lte=where.lte)
    # An open range still asks that the facet is there; Qdrant wants one bound for that.
    return {"key": key, "range": bounds} if bounds else {"must_not": [{"is_empty": {"key": key}}]}


def _bounds(kind: FacetType, *, gte: Scalar | None, lte: Scalar | None) -> Json:
    """Qdrant's range; dates in the one form that it and Python both read."""
    if kind == "date":
        gte = None if gte is None else _moment(str(gte), time.min)
        lte = None if lte is None else _moment(str(lte), time.max)
    return {name: value for name, value in (("gte", gte), ("lte", lte)) if value is not None}


def _moment(text: str, of_day: time) -> str:
    """RFC 3339; a time without a zone is UTC, a bare day is taken at this time of it."""
    found = datetime.fromisoformat(text)
    if _BARE_DAY.fullmatch(text):
        found = datetime.combine(found, of_day)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _field(field: str, schema: Schema) -> tuple[str, FacetType]:
    if field not in schema:
        raise BadQuestion(f"There is no facet “{field}”.", mend=nearest(field, list(schema)))
    return f"facets.{field}", schema[field].type


def _check(field: str, kind: FacetType, value: Scalar) -> None:
    is_right = {
        "keyword": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": _is_number(value) and float(value) == int(value),
        "number": _is_number(value),
        "date": isinstance(value, str) and _is_date(value),
    }
    if not is_right[kind]:
        raise BadQuestion(f"The facet “{field}” is compared with a value that is no {kind}.")


def _is_number(value: Scalar) -> bool:
    if isinstance(value, str | bool):
        return False
    return -_EXACT < value < _EXACT


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
