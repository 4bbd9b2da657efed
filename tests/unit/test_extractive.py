"""Quotes without a model: the right ones, whole, in the asker's language, and word for word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.overlap import Overlap, likeness, terms
from bots.pieces import pieces, sentences
from rag.core.answers import Finish, Prompt, Token
from rag.core.records import Passage
from tests.bot_parts import passage, prompt
from tests.contracts.generator_stages import extractive

ANDROID = passage(
    "Installieren Sie die App geteduroam. Sie ist kostenlos.\n\n"
    "So verbinden Sie Ihr Handy:\n\n"
    "1. App öffnen und „Universität Sonnhagen“ wählen\n"
    "2. `ab1234@sonnhagen.example` eingeben\n"
    "3. Mit `eduroam` verbinden\n\n"
    "Haben Sie Fragen?",
    key="de/android.md",
    title="eduroam auf Android",
    heading_path=("eduroam auf Android",),
)
ENGLISH = passage(
    "Install the app geteduroam on your phone. Choose University of Sonnhagen.",
    key="en/android.md",
    title="eduroam on Android",
    heading_path=("eduroam on Android",),
    language="en",
)
VPN = passage(
    "Der VPN-Client heißt eduVPN. Das Profil Split ist die Voreinstellung.",
    key="de/vpn.md",
    title="VPN",
    heading_path=("VPN",),
)
HOW = "Wie verbinde ich mein Handy mit eduroam?"


async def quoted(given: Prompt, limit: int = 4) -> str:
    items = [item async for item in extractive(limit).stream(given)]
    assert isinstance(items[-1], Finish)
    return "".join(item.text for item in items if isinstance(item, Token))


async def test_steps_come_whole_with_the_line_before_them_and_a_citation() -> None:
    text = await quoted(prompt(VPN, ANDROID, question=HOW))
    assert (
        "So verbinden Sie Ihr Handy:\n\n"
        "1. App öffnen und „Universität Sonnhagen“ wählen\n"
        "2. `ab1234@sonnhagen.example` eingeben\n"
        "3. Mit `eduroam` verbinden [2]" in text
    )
    assert "VPN" not in text
    assert "Fragen?" not in text


@pytest.mark.parametrize(
    ("language", "opening"),
    [("de", "Das steht dazu in den Quellen:"), ("en", "This is what the sources say:")],
)
async def test_the_first_line_is_in_the_askers_language(language: str, opening: str) -> None:
    text = await quoted(prompt(ANDROID, question="eduroam Android", language=language))
    assert text.startswith(opening)


async def test_the_askers_language_comes_alone_where_it_answers() -> None:
    german = await quoted(prompt(ENGLISH, ANDROID, question="eduroam Handy Android"))
    english = await quoted(
        prompt(ANDROID, ENGLISH, question="eduroam phone Android", language="en")
    )
    assert "[1]" not in german
    assert "[2]" in german
    assert "Install the app" in english
    assert "[1]" not in english


async def test_the_other_language_is_quoted_where_the_own_has_nothing() -> None:
    text = await quoted(prompt(VPN, ENGLISH, question="Wo gibt es die App geteduroam?"))
    assert "Install the app geteduroam on your phone. [2]" in text


async def test_what_is_not_on_the_subject_is_not_answered() -> None:
    for question in ("Wie wird morgen das Wetter in Berlin?", "Wer ist Rektor?", "???"):
        assert await quoted(prompt(ANDROID, VPN, question=question)) == ""


async def test_no_passage_gives_no_word() -> None:
    empty = prompt(VPN, question=HOW).weaker()
    assert await quoted(empty) == ""


async def test_no_more_than_the_limit_and_nothing_twice() -> None:
    text = " ".join(f"Das VPN Nummer {n} steht in Raum {chr(65 + n)}." for n in range(9))
    same = (passage(text, key="a.md"), passage(text, key="b.md"))
    lines = (await quoted(prompt(*same, question="Wo steht das VPN?"), limit=3)).splitlines()
    quotes = [line for line in lines if line.startswith("- ")]
    assert 1 <= len(quotes) <= 3
    assert len({quote.rpartition("[")[0] for quote in quotes}) == len(quotes)


async def test_a_row_comes_with_its_head_and_code_stays_code() -> None:
    table = passage(
        "| Dienst | Server |\n|---|---|\n| IMAP | imap.sonnhagen.example |\n| SMTP | smtp.x |\n\n"
        "Der Befehl für den Login auf dem Cluster:\n\n```bash\nssh ab1234@login.hagen\n```\n",
        heading_path=("Server",),
        title="Server",
    )
    row = await quoted(prompt(table, question="Wie heißt der IMAP-Server?"))
    assert "| Dienst | Server |\n|---|---|\n| IMAP | imap.sonnhagen.example |\n\n[1]" in row
    assert "SMTP" not in row
    code = await quoted(prompt(table, question="Welcher Befehl für den Login auf dem Cluster?"))
    assert "Cluster:\n\n```bash\nssh ab1234@login.hagen\n```\n\n[1]" in code


async def test_a_sources_own_numbers_can_not_pass_as_citations() -> None:
    text = await quoted(prompt(passage("Das VPN ist sicher [7]."), question="Ist das VPN sicher?"))
    assert r"Das VPN ist sicher \[7\]. [1]" in text


_WORDS = "VPN Handy eduroam Passwort. verbinden, [3] `code` App! 1. z. B. - | # Titel: ?"
WORDS = st.sampled_from([*_WORDS.split(), "\n", "\n\n"])


@given(st.lists(st.lists(WORDS, max_size=30).map(" ".join), min_size=1, max_size=4))
async def test_no_word_is_invented(texts: list[str]) -> None:
    passages = [passage(text, key=f"{n}.md") for n, text in enumerate(texts)]
    text = await quoted(prompt(*passages, question="VPN Handy Passwort?"))
    known = " ".join(texts)
    titles = {f"**{each.title}**" for each in passages}
    for line in text.splitlines()[1:]:
        if line in titles:
            continue
        bare = re.sub(r"(?<!\\)\[\d+\]", "", line.removeprefix("- ")).replace("\\", "")
        for word in bare.split():
            assert word in known or word.strip("`") == ""


async def test_every_quote_has_a_number_that_was_given() -> None:
    passages: list[Passage] = [ANDROID, VPN, ENGLISH]
    text = await quoted(prompt(*passages, question="eduroam Handy VPN Profil App"), limit=20)
    quotes = [block for block in re.split(r"\n\n(?!\[)|\n(?=- )", text)[1:] if block.strip()]
    assert quotes
    joined = "\n".join(quotes)
    assert {int(n) for n in re.findall(r"\[(\d+)\]", joined)} <= {1, 2, 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Eins. Zwei! Drei?", ["Eins.", "Zwei!", "Drei?"]),
        ("Das kostet ca. 5 Euro. Gut.", ["Das kostet ca. 5 Euro.", "Gut."]),
        ("Siehe z. B. Nr. 5 und Abs. 3. Danach", ["Siehe z. B. Nr. 5 und Abs. 3. Danach"]),
        ("Ab 1. Oktober 2025. Dann", ["Ab 1. Oktober 2025.", "Dann"]),
        ("Version 3.3.6 von https://x.example/ab. Neu", None),
        ("Prof. Dr. Müller liest. Frau Dr. Kern auch.", None),
        ("Use e.g. Firefox. It works.", ["Use e.g. Firefox.", "It works."]),
        ("Run `a. B` now. Then stop.", ["Run `a. B` now.", "Then stop."]),
        ("„Ja.“ Nein.", ["„Ja.“", "Nein."]),
        ("kein Ende", ["kein Ende"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str] | None) -> None:
    found = sentences(text)
    assert found == expected or (expected is None and len(found) == 2)


@given(st.text(alphabet="aB .!?`\n", max_size=60))
def test_cutting_loses_nothing(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_headings_and_rules_are_no_pieces() -> None:
    text = "# Titel\n\nText.\n\nUnterstrichen\n---\n\n***\n<!-- x -->\n![bild](a.png)\n\n## Ende"
    assert [piece.text for piece in pieces(text)] == ["Text."]


def test_a_long_list_falls_into_its_items_with_what_belongs_to_them() -> None:
    items = "\n".join(f"- Punkt {n}\n  und mehr" for n in range(12))
    found = pieces(items)
    assert len(found) == 12
    assert found[3].text == "- Punkt 3\n  und mehr"


def test_an_unclosed_fence_and_indented_lines_are_code() -> None:
    assert [piece.kind for piece in pieces("Text.\n\n    ls -l\n    cd\n\n```\nmake")] == [
        "sentence",
        "code",
        "code",
    ]


@given(st.text(alphabet="ab#-|`>1.: \n\t*", max_size=120))
def test_any_text_can_be_cut(text: str) -> None:
    for piece in pieces(text):
        assert piece.text.strip()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("passwort", "passwort", 1.0),
        ("drucken", "drucker", 0.9),
        ("konto", "kontos", 0.9),
        ("mail", "webmail", 0.7),
        ("vpn", "vpns", 0.0),
        ("handy", "handel", 0.0),
        ("raum", "traumhaft", 0.0),
        ("zugang", "gastzugangscode", 0.7),
    ],
)
def test_likeness(one: str, other: str, alike: float) -> None:
    assert likeness(one, other) == likeness(other, one) == alike


def test_a_rare_word_counts_more_and_an_unknown_one_lowers_the_share() -> None:
    corpus = [terms("vpn drucker"), terms("vpn"), terms("vpn")]
    both = Overlap("vpn drucker", corpus)
    assert both.share(terms("drucker")) > both.share(terms("vpn")) > 0
    assert both.share(terms("vpn drucker")) == pytest.approx(1)
    assert Overlap("vpn xylophon", corpus).share(terms("vpn")) < 0.5


def test_a_question_of_stop_words_keeps_them() -> None:
    assert terms("Was ist das?") == {"was", "ist", "das"}


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[VPN](vpn.md)", "VPN"),
        ("[VPN](../en/vpn.md#linux)", "VPN"),
        ("[VPN](/wiki/vpn)", "VPN"),
        ("[VPN](https://wiki.sonnhagen.example/de/vpn)", None),
        ("[Desk](mailto:helpdesk@sonnhagen.example)", None),
    ],
)
async def test_a_link_that_leads_nowhere_from_here_keeps_its_words(
    link: str, shown: str | None
) -> None:
    page = passage(f"Das Handy braucht für eduroam kein {link} mehr.", key="de/a.md")
    text = await quoted(prompt(page, question=HOW))
    assert f"kein {shown or link} mehr" in text
