"""Globs over keys, and that the first rule decides about labels."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.labelling import labels_of, language_of, matches
from rag.core.definitions.sources import LabelRule, LanguageRule

RULES = (
    LabelRule(match="intern/**", labels=("staff",)),
    LabelRule(match="**/entwurf-*.md", labels=()),
    LabelRule(match="de/**", labels=("public",)),
    LabelRule(match="en/*.md", labels=("public", "guests")),
)


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("**", "a.md", True),
        ("**", "a/b/c.md", True),
        ("**/*", "a.md", True),
        ("**/*.md", "a/b.md", True),
        ("de/**", "de/a.md", True),
        ("de/**", "de/a/b.md", True),
        ("de/**", "de", False),
        ("de/**", "den/a.md", False),
        ("de/**/x.md", "de/x.md", True),
        ("de/**/x.md", "de/a/b/x.md", True),
        ("*.md", "a/b.md", False),
        ("*/b.md", "a/b.md", True),
        ("?.md", "ä.md", True),
        ("?.md", "/.md", False),
        ("[a-c].md", "b.md", True),
        ("[!a-c].md", "b.md", False),
        ("[!a]b", "/b", False),
        ("a.md", "aXmd", False),
        ("a+(b).md", "a+(b).md", True),
        ("[", "[", True),
        ("a.md", "a.md\n", False),
        ("DE/**", "de/a.md", False),
        ("**/**/a.md", "a.md", True),
        ("Übersicht/*", "U\u0308bersicht/a.md", True),
    ],
)
def test_a_glob_matches_as_people_expect(pattern: str, key: str, expected: bool) -> None:  # noqa: FBT001
    assert matches(pattern, key) is expected


SEGMENT = st.text(alphabet="ab*?", min_size=1, max_size=3)
PATTERN = st.lists(st.one_of(st.just("**"), SEGMENT), min_size=1, max_size=5)
KEY = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=5)


def slowly(pattern: list[str], key: list[str]) -> bool:
    """The definition of a glob, read off its sentence."""
    if not pattern:
        return not key
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(key)
        return any(slowly(pattern[1:], key[i:]) for i in range(len(key) + 1))
    return bool(key) and fnmatchcase(key[0], pattern[0]) and slowly(pattern[1:], key[1:])


@given(PATTERN, KEY)
def test_a_glob_is_what_its_segments_say(pattern: list[str], key: list[str]) -> None:
    assert matches("/".join(pattern), "/".join(key)) is slowly(pattern, key)


@given(st.text(alphabet="ab[]!-*?/^\\", max_size=12), st.text(alphabet="ab/-^", max_size=8))
def test_no_pattern_is_an_error(pattern: str, key: str) -> None:
    assert matches(pattern, key) in {True, False}


@pytest.mark.parametrize(
    ("key", "labels"),
    [
        ("intern/plan.md", {"staff"}),
        ("intern/entwurf-plan.md", {"staff"}),
        ("de/entwurf-plan.md", set()),
        ("de/vpn.md", {"public"}),
        ("en/vpn.md", {"public", "guests"}),
        ("en/old/vpn.md", set()),
        ("neu/vpn.md", set()),
    ],
)
def test_the_first_rule_decides_and_no_rule_means_nobody(key: str, labels: set[str]) -> None:
    assert labels_of(key, RULES) == labels


def test_the_language_follows_the_first_rule() -> None:
    rules = (
        LanguageRule(match="de/**", language="de"),
        LanguageRule(match="**/*.en.md", language="en"),
    )
    assert language_of("de/a.en.md", rules) == "de"
    assert language_of("x/a.en.md", rules) == "en"
    assert language_of("x/a.md", rules) is None
