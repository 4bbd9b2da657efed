"""What a filter means, said a second time in plain Python: the judge of both engines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rag.core.definitions.sources import Facet
from rag.core.filters import And, AnyOf, Eq, Filter, Not, Range, Scalar
from rag.core.records import Record

_DAY = timedelta(days=1) - timedelta(microseconds=1)


def holds(where: Filter, record: Record, facets: Mapping[str, Facet]) -> bool:
    """Whether the filter lets the record through."""
    match where:
        case And():
            return all(holds(each, record, facets) for each in where.filters)
        case Not():
            return not holds(where.filter, record, facets)
        case Eq():
            return _equals(where.field, where.value, record, facets)
        case AnyOf():
            return any(_equals(where.field, value, record, facets) for value in where.values)
        case Range():
            return _lies_between(where, record, facets)


def _values(field: str, record: Record) -> tuple[Scalar, ...]:
    found = record.facets.get(field, ())
    return found if isinstance(found, tuple) else (found,)


def _equals(field: str, value: Scalar, record: Record, facets: Mapping[str, Facet]) -> bool:
    if facets[field].type == "date":
        begin, end = _span(str(value))
        return any(begin <= _span(str(each))[0] <= end for each in _values(field, record))
    return value in _values(field, record)


def _lies_between(where: Range, record: Record, facets: Mapping[str, Facet]) -> bool:
    values = _values(where.field, record)
    if facets[where.field].type == "date":
        begin = _span(str(where.gte))[0] if where.gte is not None else None
        end = _span(str(where.lte))[1] if where.lte is not None else None
        moments = [_span(str(each))[0] for each in values]
        return any((not begin or begin <= m) and (not end or m <= end) for m in moments)
    low = -1e300 if where.gte is None else float(where.gte)
    high = 1e300 if where.lte is None else float(where.lte)
    return any(low <= float(each) <= high for each in values)


def _span(text: str) -> tuple[datetime, datetime]:
    """From when to when the text speaks of: a bare day is all of it, a time is itself."""
    found = datetime.fromisoformat(text)
    begin = found if found.tzinfo else found.replace(tzinfo=UTC)
    return begin, begin + _DAY if len(text) == len("2026-10-12") else begin
