"""Which labels and language a document gets: rules over its key, never the document itself."""

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache

from rag.core.definitions.base import Language
from rag.core.definitions.sources import LabelRule, LanguageRule
from rag.core.records import Labels


def matches(pattern: str, key: str) -> bool:
    """Whether the glob names the key, upper and lower case distinct.

    `*`, `?` and `[a-z]` stay within one segment of the path; a segment `**` stands for any number
    of segments, also for none.

    >>> matches("de/**", "de/netz/vpn.md"), matches("**/*.md", "vpn.md"), matches("*.md", "de/a.md")
    (True, True, False)
    """
    return _follows(_segments(_composed(pattern)), tuple(_composed(key).split("/")))


def labels_of(key: str, rules: Sequence[LabelRule]) -> Labels:
    """The labels of the first rule that matches; without one nobody may read the document."""
    for rule in rules:
        if matches(rule.match, key):
            return frozenset(rule.labels)
    return frozenset()


def language_of(key: str, rules: Sequence[LanguageRule]) -> Language | None:
    """The language of the first rule that matches, or None."""
    for rule in rules:
        if matches(rule.match, key):
            return rule.language
    return None


def _composed(text: str) -> str:
    """One spelling for „ü“: some file systems take it apart into two characters."""
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=1024)
def _segments(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """An expression for each segment, None for `**`."""
    return tuple(
        None if segment == "**" else re.compile(translate(segment))
        for segment in pattern.split("/")
    )


def _follows(pattern: tuple[re.Pattern[str] | None, ...], key: tuple[str, ...]) -> bool:
    if not pattern:
        return not key
    first, rest = pattern[0], pattern[1:]
    if first is not None:
        return bool(key) and first.match(key[0]) is not None and _follows(rest, key[1:])
    if not rest:
        return bool(key)
    return any(_follows(rest, key[start:]) for start in range(len(key)))
