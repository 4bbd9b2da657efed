"""BM25 vectors in two languages."""

import pytest

from indexes.edge import bm25
from rag.core.records import SparseVector


def shared(text: str, query: str, language: str) -> bool:
    """Whether a passage and a query meet in the passage's own field."""
    field = "bm25_de" if language == "de" else "bm25_en"
    passage = bm25.encode_passage(text, language)
    found = bm25.encode_query(query).get(field)
    return bool(found and set(found.indices) & set(passage.indices))


@pytest.mark.parametrize(
    ("text", "query", "language", "is_shared"),
    [
        ("Die Prüfungen", "prüfung", "de", True),
        ("Die Prüfungen", "prüfung", "en", False),
        ("The examinations", "Examination", "en", True),
        ("printing", "print", "en", True),
        ("Drucker der Bibliothek", "die der das", "de", False),
        ("the library", "the of and", "en", False),
        ("Le réseau", "réseau", "fr", True),
        ("WLAN", "wlan", "de", True),
        ("802.1X", "802.1x", "en", True),
    ],
)
def test_words_meet_by_their_stems(
    text: str, query: str, language: str, *, is_shared: bool
) -> None:
    assert shared(text, query, language) is is_shared


@pytest.mark.parametrize("text", ["", " \n", "the", "…", "🎓"])
def test_a_text_without_a_word_has_no_term(text: str) -> None:
    assert bm25.encode_passage(text, "en") == SparseVector(indices=(), values=())
    assert "bm25_en" not in bm25.encode_query(text)


def test_half_a_character_is_no_word() -> None:
    assert bm25.encode_query("eduroam \ud83c") == bm25.encode_query("eduroam")
    assert bm25.encode_passage("eduroam \ud83c", "en").indices == (
        bm25.encode_passage("eduroam", "en").indices
    )


def test_more_of_a_word_weighs_more_but_less_and_less() -> None:
    weights = [bm25.encode_passage("eduroam " * count, "en").values[0] for count in (1, 2, 3, 9)]
    assert weights == sorted(weights)
    assert weights[1] - weights[0] > weights[2] - weights[1] > 0
    assert weights[3] < 1 + 1.2
