"""Passages lose nothing, keep their limit, and are cut where a reader would cut them."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.chunking import Chunker
from indexes.embedding import SentenceTransformerEmbedder
from indexes.sentences import sentences
from rag.core.definitions.base import Language
from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.definitions.indexes import Chunking
from rag.core.errors import BadInput
from rag.core.records import Passage, Record
from rag.languages import detect
from tests.fakes import HashEmbedder
from tests.markdown_pages import Part, page_of, pages

Count = Callable[[str], int]


def words(text: str) -> int:
    """Words and two special tokens: counts that add up, as WordPiece's do."""
    return len(text.split()) + 2


def letters(text: str) -> int:
    """Thirds of a text and a prefix: counts that don't add up, as byte pairs' don't."""
    return (len(text) + 2) // 3 + 7


class Counting(HashEmbedder):
    def __init__(self, count: Count, most: int = 10_000) -> None:
        super().__init__()
        self._count = count
        self._most = most

    @property
    def max_tokens(self) -> int:
        return self._most

    def count_tokens(self, text: str) -> int:
        return self._count(text)


def always_german(text: str, *, default: Language = "de") -> Language:
    return "de"


def chunker(count: Count = words, **chunking: Any) -> Chunker:
    return Chunker(Chunking(**chunking), Counting(count), always_german)


def record(text: str, **others: Any) -> Record:
    return Record(**{"source": "wiki", "key": "page", "kind": "page", "text": text, **others})


def texts(passages: Iterable[Passage]) -> list[str]:
    return [passage.text for passage in passages]


def paths(passages: Iterable[Passage]) -> list[tuple[str, ...]]:
    return [passage.heading_path for passage in passages]


def ink(text: str) -> str:
    """Everything but white space and the marks of quotes, which may be repeated."""
    return "".join(text.replace(">", "").split())


def stands_in(part: str, whole: str) -> bool:
    """Whether the letters of the part come in the whole, in their order."""
    rest = iter(whole)
    return all(letter in rest for letter in part)


def sentence(number: int, length: int = 10) -> str:
    return f"Satz {number} " + "wort " * (length - 3) + "Ende."


# --- properties ----------------------------------------------------------------------------------

cutting = given(
    parts=pages(),
    count=st.sampled_from([words, letters]),
    max_tokens=st.integers(32, 120),
    min_tokens=st.integers(0, 60),
)
slowly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@slowly
@cutting
def test_no_text_is_lost(parts: list[Part], count: Count, max_tokens: int, min_tokens: int) -> None:
    cut = chunker(count, max_tokens=max_tokens, min_tokens=min_tokens)
    passages = cut(record(page_of(parts), title="Titel"))
    blocks = "".join(ink(part.source) for part in parts if part.kind != "heading")
    assert stands_in(blocks, ink("".join(texts(passages))))


@slowly
@cutting
def test_every_heading_is_shown(
    parts: list[Part], count: Count, max_tokens: int, min_tokens: int
) -> None:
    cut = chunker(count, max_tokens=max_tokens, min_tokens=min_tokens)
    passages = cut(record(page_of(parts), title="Titel"))
    steps = {ink(step) for path in paths(passages) for step in path}
    written = ink("".join(texts(passages)))
    for part in parts:
        if part.kind == "heading":
            mark, _, text = part.source.partition(" ")
            seen = ink(text.replace("`", "").replace("**", ""))
            assert seen in steps or ink(mark + text) in written


@slowly
@cutting
def test_no_passage_is_longer_than_the_limit(
    parts: list[Part], count: Count, max_tokens: int, min_tokens: int
) -> None:
    cut = chunker(count, max_tokens=max_tokens, min_tokens=min_tokens)
    for passage in cut(record(page_of(parts), title="Titel")):
        assert count(passage.embedded_text()) <= max_tokens
        assert passage.text.strip()


@slowly
@given(parts=pages(), max_tokens=st.integers(60, 120))
def test_rows_and_lines_stay_whole_under_their_heads(parts: list[Part], max_tokens: int) -> None:
    passages = chunker(max_tokens=max_tokens)(record(page_of(parts)))
    lines = {line for passage in passages for line in passage.text.split("\n")}
    for part in parts:
        assert lines.issuperset(part.lines)
    for passage in passages:
        outside = [line for line in passage.text.split("\n") if not line.startswith(">")]
        fences = [line for line in outside if line.startswith(("```", "~~~"))]
        assert len(fences) % 2 == 0
        assert all(line.endswith("bash") for line in fences[::2])
        for before, line in pairwise(["", *outside]):
            assert not line.startswith("| Wort") or before.startswith("|")


@slowly
@cutting
def test_the_same_record_gives_the_same_passages(
    parts: list[Part], count: Count, max_tokens: int, min_tokens: int
) -> None:
    page = record(page_of(parts), title="Titel")
    cut = chunker(count, max_tokens=max_tokens, min_tokens=min_tokens)
    again = chunker(count, max_tokens=max_tokens, min_tokens=min_tokens)
    first = cut(page)
    assert first == cut(page) == again(page)
    assert [passage.ordinal for passage in first] == list(range(len(first)))


@slowly
@given(
    text=st.text(max_size=200) | st.text(alphabet="ab1 \n\t.:#-+>|`~*_=[](){}!\\<", max_size=200),
    title=st.text(max_size=40),
)
def test_any_text_is_cut_and_no_letter_is_lost(text: str, title: str) -> None:
    passages = chunker(letters, max_tokens=40)(record(text, title=title))
    assert [p.ordinal for p in passages] == list(range(len(passages)))
    assert all(letters(passage.embedded_text()) <= 40 for passage in passages)
    told = "".join(passage.embedded_text() for passage in passages)
    # Not in their order: a heading that the path has no room for stands behind those it has.
    assert Counter(re.findall(r"[ab1]", text)) <= Counter(told)
    assert not re.search(r"\w", text + title) or passages


# --- sections ------------------------------------------------------------------------------------


def test_the_path_runs_from_the_title_down() -> None:
    one, two, three = (sentence(number) for number in range(3))
    text = f"# Netz\n\n{one}\n\n## WLAN\n\n### Android\n\n{two}\n\n# Mail\n\n{three}"
    passages = chunker(min_tokens=0)(record(text, title="Hilfe"))
    assert paths(passages) == [
        ("Hilfe", "Netz"),
        ("Hilfe", "Netz", "WLAN", "Android"),
        ("Hilfe", "Mail"),
    ]
    assert texts(passages) == [one, two, three]


def test_a_title_repeated_as_heading_is_named_once() -> None:
    passages = chunker(min_tokens=0)(record("# wlan\n\nEins.\n\n## iOS\n\nZwei.", title="WLAN"))
    assert paths(passages) == [("WLAN",), ("WLAN", "iOS")]


def test_without_a_title_the_first_heading_is_the_title() -> None:
    (passage,) = chunker()(record("# WLAN\n\nEins."))
    assert (passage.title, passage.heading_path) == ("WLAN", ("WLAN",))


def test_headings_are_shown_as_readers_see_them() -> None:
    text = "# Das `ssh`-*Kommando* &amp; mehr\n\nEins."
    (passage,) = chunker()(record(text))
    assert passage.heading_path == ("Das ssh-Kommando & mehr",)
    assert passage.text == "Eins."


def test_a_heading_with_a_link_keeps_it_in_the_text() -> None:
    (passage,) = chunker()(record("# Zum [Portal](https://a.example)\n\nEins."))
    assert passage.heading_path == ("Zum Portal",)
    assert passage.text == "# Zum [Portal](https://a.example)\n\nEins."


def test_small_siblings_are_joined_under_their_parent() -> None:
    text = "# Netz\n\n## iOS\n\nEins.\n\n## Android\n\nZwei."
    (passage,) = chunker()(record(text, url="https://wiki.example/netz"))
    assert passage.heading_path == ("Netz",)
    assert passage.text == "## iOS\n\nEins.\n\n## Android\n\nZwei."
    assert passage.url == "https://wiki.example/netz#ios"


def test_sections_of_enough_tokens_are_left_alone() -> None:
    text = f"## iOS\n\n{sentence(1, 12)}\n\n## Android\n\n{sentence(2, 12)}"
    assert len(chunker(min_tokens=12)(record(text))) == 2
    assert len(chunker(min_tokens=20)(record(text))) == 1


def test_cousins_are_not_joined() -> None:
    text = "# A\n\n## B\n\n### C\n\nEins.\n\n# D\n\n## E\n\n### F\n\nZwei."
    assert paths(chunker()(record(text))) == [("A", "B", "C"), ("D", "E", "F")]


def test_joined_sections_keep_the_limit() -> None:
    text = "\n\n".join(f"## Teil {n}\n\n{sentence(n, 30)}" for n in range(6))
    passages = chunker(max_tokens=80, min_tokens=60)(record(text))
    assert len(passages) == 3


def test_a_heading_with_nothing_under_it_stays_in_its_place() -> None:
    text = "# A\n\nEins.\n\n## Offen\n\n# B\n\nZwei.\n\n## Siehe auch"
    passages = chunker(min_tokens=0)(record(text, url="https://wiki.example/"))
    assert texts(passages) == ["Eins.", "## Offen", "Zwei.", "## Siehe auch"]
    assert paths(passages) == [("A",), ("A",), ("B",), ("B",)]
    assert passages[1].url.endswith("#offen")


def test_a_path_takes_at_most_a_third() -> None:
    text = "\n\n".join(f"{'#' * level} Ebene {level} {'wort ' * 8}" for level in range(1, 7))
    passages = chunker(max_tokens=60)(record(f"{text}\n\nEins.", title="T " + "titel " * 30))
    for path in paths(passages):
        assert len(path) == 2
        assert path[0].startswith("T titel")
        assert path[1].startswith("Ebene 6")
        assert len(" › ".join(path).split()) <= 60 / 3
    written = "\n\n".join(texts(passages))
    assert [f"{'#' * level} Ebene {level}" in written for level in range(1, 7)] == [True] * 6


# --- blocks --------------------------------------------------------------------------------------


def test_a_paragraph_is_divided_between_sentences() -> None:
    parts = [sentence(n) for n in range(8)]
    passages = chunker(max_tokens=44)(record(" ".join(parts)))
    assert texts(passages) == [" ".join(parts[:4]), " ".join(parts[4:])]


@pytest.mark.parametrize(
    "text",
    [
        "Das gilt z. B. ab dem 1. Oktober für ca. 14.000 Studierende lt. § 3 Abs. 2 der Satzung.",
        "Ask Dr. Smith, e.g. by mail, in room No. 4 at 5 p.m. on Oct. 3 or in June.",
        "Version 2.1. der Datei liegt auf a.example.",
        "Siehe Nr. 5, S. 12 und Prof. A. Müller, d. h. oben.",
    ],
)
def test_abbreviations_and_numbers_end_no_sentence(text: str) -> None:
    assert sentences(f"{text} {text}") == [("", text), (" ", text)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Wirklich? Ja! Gut… Ende.", 4),
        ("Das war 2024. Danach kam „mehr“. »Gut.« (Ja.) *Nein.*", 5),
        ("Öffnen. Ändern. Übernehmen.", 3),
        ("ohne Punkt und Ende", 1),
        (" ", 0),
    ],
)
def test_other_marks_end_a_sentence(text: str, count: int) -> None:
    found = sentences(text)
    assert len(found) == count
    assert "".join(gap + sentence for gap, sentence in found) == text.strip()


def test_passages_of_one_section_are_of_like_size() -> None:
    passages = chunker(max_tokens=102)(record(" ".join(sentence(n) for n in range(11))))
    assert [words(text) - 2 for text in texts(passages)] in ([50, 60], [60, 50])


def test_a_long_table_repeats_its_head() -> None:
    rows = [f"| Raum {n} | ja | nein |" for n in range(20)]
    head = "| Raum | Beamer | Kamera |\n|:--|---|---|"
    passages = chunker(max_tokens=70)(record("\n".join([head, *rows])))
    assert len(passages) > 2
    assert all(text.startswith(head + "\n| Raum ") for text in texts(passages))
    assert [line for text in texts(passages) for line in text.split("\n")[2:]] == rows


def test_a_head_of_half_a_passage_is_not_repeated() -> None:
    head = "| " + "kopf " * 30 + "| b |\n|---|---|"
    rows = [f"| zelle {n} | ja |" for n in range(20)]
    passages = chunker(max_tokens=60)(record("\n".join([head, *rows])))
    assert sum("kopf" in text for text in texts(passages)) == 1


def test_the_rule_of_a_wide_table_costs_nothing() -> None:
    (passage,) = chunker(letters, max_tokens=40)(
        record(f"| a | b |\n|:{'-' * 90}|{'-' * 90}:|\n| 1 | 2 |")
    )
    assert passage.text == "| a | b |\n|:---|---:|\n| 1 | 2 |"


def test_long_code_opens_its_fence_again() -> None:
    lines = [f"    befehl {n} --option  wert" for n in range(30)]
    passages = chunker(max_tokens=50)(record("\n".join(["~~~~python", *lines, "~~~~"])))
    assert len(passages) > 1
    for text in texts(passages):
        assert text.startswith("~~~~python\n    befehl")
        assert text.endswith("wert\n~~~~")
    assert [line for text in texts(passages) for line in text.split("\n")[1:-1]] == lines


def test_code_that_is_never_closed_is_closed_where_it_is_cut() -> None:
    passages = chunker(max_tokens=40)(record("```\n" + "zeile eins zwei\n" * 30))
    assert all(text.endswith("\n```") for text in texts(passages))


def test_a_long_list_is_divided_between_items() -> None:
    items = [f"{n}. {sentence(n)}\n   - {sentence(n, 5)}" for n in range(1, 9)]
    passages = chunker(max_tokens=60)(record("\n".join(items)))
    assert len(passages) > 1
    assert "\n".join(texts(passages)) == "\n".join(items)


def test_a_long_item_keeps_its_code_whole() -> None:
    code = "```\n" + "\n".join(f"  zeile {n}" for n in range(12)) + "\n```"
    text = f"1. {sentence(1, 30)}\n\n{_indented(code)}\n\n2. {sentence(2)}"
    passages = chunker(max_tokens=45)(record(text))
    assert any(code in text for text in texts(passages))
    assert texts(passages)[0].startswith("1. Satz 1")


def _indented(text: str) -> str:
    return "\n".join("   " + line for line in text.split("\n"))


def test_a_long_quote_stays_a_quote() -> None:
    text = "\n".join(f"> {sentence(n)}" for n in range(12))
    passages = chunker(max_tokens=60)(record(text))
    assert len(passages) > 1
    assert all(line.startswith("> ") for text in texts(passages) for line in text.split("\n"))
    assert "\n".join(texts(passages)) == text


def test_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    text = " ".join(f"wort{n}" for n in range(100))
    passages = chunker(max_tokens=32)(record(text))
    assert " ".join(texts(passages)) == text


def test_a_word_that_is_too_long_is_cut_inside() -> None:
    word = "".join(map(str, range(400)))
    passages = chunker(letters, max_tokens=40)(record(word))
    assert "".join(texts(passages)) == word
    assert len(passages) > 8


def test_pieces_of_one_line_are_not_put_on_two() -> None:
    line = " ".join(["x" * 60] * 5 + ["a"] * 60)
    passages = chunker(max_tokens=32)(record(f"```\n{line}\n```"))
    bodies = [text.split("\n")[1:-1] for text in texts(passages)]
    assert [len(body) for body in bodies] == [1] * len(bodies)
    assert " ".join(body[0] for body in bodies) == line


def test_deep_lists_with_long_numbers_leave_room_for_their_text() -> None:
    text = "123456789. " * 12 + "wort " * 100
    passages = chunker(letters, max_tokens=40)(record(text))
    assert ink("".join(texts(passages))) == ink(text)


def test_what_counts_as_one_token_is_not_endless() -> None:
    passages = chunker(max_tokens=32)(record("x" * 100_000))
    assert "".join(texts(passages)) == "x" * 100_000
    assert max(map(len, texts(passages))) <= 32 * 32


def test_a_lead_in_stands_with_what_it_leads_to() -> None:
    text = f"{sentence(1, 20)}\n\nSo geht es:\n\n```\n{'zeile ' * 20}\n```\n\n{sentence(2, 5)}"
    passages = chunker(max_tokens=34)(record(text))
    assert texts(passages)[1].startswith("So geht es:\n\n```")


def test_nothing_is_read_as_markdown_twice() -> None:
    text = "\\# kein Titel\n\n\\- kein Punkt\n\n<b>x</b>\n\n***\n\n[a]: https://a.example"
    (passage,) = chunker()(record(text))
    assert passage.text == text.replace("***\n\n", "")


# --- what a passage carries ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("VPN", "vpn"),
        ("Was kostet's? (Stand: 2026)", "was-kostets-stand-2026"),
        ("Über Drucker & Kopierer", "%C3%BCber-drucker--kopierer"),
        ("`ssh_config` und *mehr*", "ssh_config-und-mehr"),
        ("Eigener Anker {#mein-anker}", "mein-anker"),
        ("E-Mail", "e-mail"),
    ],
)
def test_the_url_leads_to_the_section(heading: str, anchor: str) -> None:
    page = record(f"## {heading}\n\nEins.", title="Seite", url="https://wiki.example/seite?a=1")
    (passage,) = chunker()(page)
    assert passage.url == f"https://wiki.example/seite?a=1#{anchor}"


def test_headings_of_one_name_have_anchors_of_their_own() -> None:
    text = "\n\n".join(f"## {name}\n\n{sentence(1, 50)}" for name in ("A", "A", "A-1", "A"))
    passages = chunker()(record(text, url="https://wiki.example/"))
    assert [passage.url.partition("#")[2] for passage in passages] == ["a", "a-1", "a-1-1", "a-2"]


@pytest.mark.parametrize("url", ["", "https://wiki.example/#/seite"])
def test_a_url_that_takes_no_anchor_gets_none(url: str) -> None:
    (passage,) = chunker()(record("## A\n\nEins.", url=url))
    assert passage.url == url


def test_the_top_of_the_page_needs_no_anchor() -> None:
    page = record("# Titel\n\nEins.", title="Titel", url="https://wiki.example/")
    assert chunker()(page)[0].url == "https://wiki.example/"


def test_a_passage_carries_what_its_record_has() -> None:
    page = record(
        "Eins.", labels=frozenset({"staff"}), facets={"ects": 5}, language="en", title="T"
    )
    (passage,) = chunker()(page)
    assert passage.record_id == "wiki:page"
    assert passage.labels == frozenset({"staff"})
    assert passage.facets == {"ects": 5}
    assert (passage.kind, passage.source, passage.language) == ("page", "wiki", "en")


def test_each_section_has_its_own_language() -> None:
    german = "Diese Veranstaltung führt in die Grundlagen der Statistik ein und endet mit Klausur."
    english = "This course is an introduction to statistics and closes with a written exam."
    text = f"## Inhalt\n\n{german}\n\n## Content\n\n{english}\n\n## 802.11\n\n42"
    cut = Chunker(Chunking(), Counting(words), detect)
    passages = cut(record(text, title="Statistik"))
    assert [passage.language for passage in passages] == ["de", "en", "de"]
    assert texts(passages) == [german, english, "42"]
    assert len(cut(record(text, title="Statistik", language="de"))) == 1


def test_a_page_of_two_languages_without_headings_is_told_by_passage() -> None:
    german = "Nach der Anmeldung erhalten Sie eine Bestätigung an Ihre Adresse. " * 3
    english = "After your registration you get a confirmation sent to your address. " * 3
    cut = Chunker(Chunking(max_tokens=40), Counting(words), detect)
    passages = cut(record(f"{german}\n\n{english}"))
    assert [passage.language for passage in passages] == ["de", "en"]


def test_a_title_alone_is_a_passage() -> None:
    (passage,) = chunker()(record(" \n", title="Raum C4"))
    assert (passage.text, passage.title) == ("Raum C4", "Raum C4")
    assert chunker()(record(" \n#\n", title=" ")) == []


def test_lines_end_in_one_way_and_broken_letters_are_replaced() -> None:
    (passage,) = chunker()(record("Eins\r\nzwei\rdrei \0 \ud83c.", title="a\n b"))
    assert passage.text == "Eins\nzwei\ndrei \ufffd \ufffd."
    assert passage.title == "a b"


# --- limits --------------------------------------------------------------------------------------


def test_the_models_own_limit_counts_too() -> None:
    cut = Chunker(Chunking(max_tokens=200), Counting(words, most=50), always_german)
    passages = cut(record(" ".join(sentence(n) for n in range(20))))
    assert max(words(passage.embedded_text()) for passage in passages) <= 50


def test_a_prefix_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(BadInput, match="takes 20 of 32 tokens"):
        chunker(lambda text: len(text.split()) + 20, max_tokens=32)(record("Eins."))


@pytest.mark.parametrize(
    "text",
    ["#\n" * 5000, "> " * 3000 + "x", "- " * 3000 + "x", "```\n" + "\n" * 20_000, "# a\n" * 5000],
    ids=["headings", "quotes", "lists", "blank code", "no text"],
)
def test_hostile_pages_are_cut_soon(text: str) -> None:
    before = time.perf_counter()
    assert chunker()(record(text, title="T"))
    assert time.perf_counter() - before < 5


@pytest.mark.outside_data
def test_a_large_guide_is_cut_soon(outside_data: Path) -> None:
    embedder = SentenceTransformerEmbedder(EmbedderDefinition())
    cut = Chunker(Chunking(), embedder, detect)
    files = sorted((outside_data / "csc_user_guide_en" / "docs").rglob("*.md"))
    pages = [record(file.read_text(encoding="utf-8"), title=file.stem) for file in files]
    before = time.perf_counter()
    passages = [passage for page in pages for passage in cut(page)]
    assert time.perf_counter() - before < 40
    assert len(pages) == 697
    assert max(embedder.count_tokens(passage.embedded_text()) for passage in passages) <= 200
