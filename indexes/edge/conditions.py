"""Qdrant's REST filters as the embedded engine's own objects."""

from typing import Any

import numpy as np
from qdrant_edge import (
    FieldCondition,
    Filter,
    IsEmptyCondition,
    MatchAny,
    MatchValue,
    RangeDateTime,
    RangeFloat,
)

Condition = FieldCondition | Filter | IsEmptyCondition


def to_filter(condition: dict[str, Any]) -> Filter:
    """A REST filter with `must`, `should` and `must_not`."""
    return Filter(
        must=_all(condition.get("must")),
        should=_all(condition.get("should")),
        must_not=_all(condition.get("must_not")),
    )


def _all(conditions: list[dict[str, Any]] | None) -> list[Any] | None:
    return None if conditions is None else [_condition(each) for each in conditions]


def _condition(condition: dict[str, Any]) -> Condition:
    if "is_empty" in condition:
        return IsEmptyCondition(condition["is_empty"]["key"])
    if "key" not in condition:
        return to_filter(condition)
    key = condition["key"]
    if "range" in condition:
        return FieldCondition(key, range=_range(condition["range"]))
    match = condition["match"]
    if "any" in match:
        return FieldCondition(key, match=MatchAny(match["any"]))
    return FieldCondition(key, match=MatchValue(_value(match["value"])))


def _value(value: Any) -> Any:
    """The binding takes Python's truths for the numbers 0 and 1; numpy's it knows."""
    return np.bool_(value) if isinstance(value, bool) else value


def _range(bounds: dict[str, float | str]) -> RangeFloat | RangeDateTime:
    if any(isinstance(bound, str) for bound in bounds.values()):
        return RangeDateTime(**{name: str(bound) for name, bound in bounds.items()})
    return RangeFloat(**{name: float(bound) for name, bound in bounds.items()})
