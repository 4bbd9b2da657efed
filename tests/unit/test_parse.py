"""Documents → Markdown: what is kept, what is refused, and that nothing is fetched."""

import io
import os
import time
import zipfile
from contextlib import suppress

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decoding import decode
from connectors.markdown import first_heading, split_front_matter, without_hidden
from connectors.parse import MAX_UNPACKED, SUFFIXES, parse
from rag.core.errors import BadDocument
from tests.documents import docx_bytes, handbook, pdf_bytes, with_part

GERMAN = "Grüße aus Sonnhagen: Prüfungsordnung, Straße, Öffnungszeiten – 5 €"


def refusal(data: bytes, suffix: str) -> str:
    with pytest.raises(BadDocument) as caught:
        parse(data, suffix)
    assert caught.value.mend
    return str(caught.value)


# --- bytes → text ----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_read_in_every_usual_encoding(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


def test_utf16_of_either_order_needs_its_mark() -> None:
    assert decode(b"\xfe\xff" + GERMAN.encode("utf-16-be")) == GERMAN
    with pytest.raises(BadDocument, match="NUL"):
        decode("plain".encode("utf-16-le"))


def test_line_ends_are_made_one() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


def test_a_declared_encoding_comes_before_the_guess() -> None:
    assert decode("Łódź".encode("iso-8859-2"), declared="iso-8859-2") == "Łódź"
    assert decode("Köln".encode("cp1252"), declared="no-such-thing") == "Köln"
    assert decode("Köln".encode("cp1252"), declared="hex") == "Köln"


def test_utf8_with_one_broken_byte_is_not_taken_for_cp1252() -> None:
    data = GERMAN.encode() + b"\xff" + GERMAN.encode()
    with pytest.raises(BadDocument, match=f"byte {len(GERMAN.encode())} is broken"):
        decode(data)


def test_a_german_quotation_in_cp1252_is_not_taken_for_utf8() -> None:
    text = "„Spaß“ über Größe, Übung, Käse"
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NUL"),
        (b"text\0text", "NUL"),
        (bytes(range(1, 32)) * 9, "control characters"),
        (b"\xff\xfea", "utf-16-le"),
        (b"\xff\xfe", "no text"),
        (b"\xef\xbb\xbf", "no text"),
        (b"Stra\x81e", "no known text encoding"),
    ],
)
def test_what_is_no_text_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    assert reason in refusal(data, ".md")


def test_a_stray_control_character_is_dropped() -> None:
    assert parse(b"x" * 200 + b"\x07", ".txt").text == "x" * 200


@given(st.text())
def test_any_text_in_utf8_is_read_or_refused_as_binary(text: str) -> None:
    expected = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    try:
        found = decode(text.encode())
    except BadDocument:
        assert not text or min(text) < " " or "\x7f" in text
    else:
        assert [c for c in expected if c >= " " and c != "\x7f"] == [c for c in found if c >= " "]


@given(st.sampled_from(SUFFIXES), st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_nothing_but_bad_document(suffix: str, data: bytes) -> None:
    with suppress(BadDocument):
        assert parse(data, suffix).text.strip()


@given(st.sampled_from([".docx", ".pdf"]), st.integers(0, 10_000), st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_damaged_documents_raise_nothing_but_bad_document(
    suffix: str, place: int, noise: bytes
) -> None:
    whole = handbook() if suffix == ".docx" else pdf_bytes([["Ein Text von einigem Umfang."]])
    place %= len(whole)
    with suppress(BadDocument):
        assert parse(whole[:place] + noise + whole[place + len(noise) :], suffix).text.strip()


# --- Markdown --------------------------------------------------------------------------------

PAGE = """# VPN einrichten

Mit `openconnect` und [eduVPN](https://eduvpn.example).

### Unter Linux

```bash
# kein Titel
sudo openconnect vpn.sonnhagen.example
```

| Profil | Zweck |
|:-------|------:|
| Split  | alles |

1. eins
2. zwei
    - darunter
"""


def test_markdown_stays_the_authors_own() -> None:
    document = parse(f"---\ntitle: Anders\nupdated: 2026-10-01\n---\n\n{PAGE}".encode(), ".md")
    assert document.text == PAGE.strip()
    assert document.title == "VPN einrichten"
    assert document.front_matter == {"title": "Anders", "updated": "2026-10-01"}


def test_front_matter_is_what_authors_write_and_not_what_yaml_allows() -> None:
    text = (
        "---\n# ein Kommentar\ntitle: UniKennung: von A bis Z\nlanguage: no\nquoted: 'a: b'\n"
        "tags:\n  - wlan\n  - \"gast\"\ninline: [a, 'b']\nlong: >-\n  eine\n  Zeile\n"
        "nested:\n  key: value\nempty:\n---\nText\n"
    )
    found, rest = split_front_matter(text)
    assert rest == "Text\n"
    assert found == {
        "title": "UniKennung: von A bis Z",
        "language": "no",
        "quoted": "a: b",
        "tags": ("wlan", "gast"),
        "inline": ("a", "b"),
        "long": "eine Zeile",
        "nested": "key: value",
        "empty": "",
    }


@pytest.mark.parametrize(
    "text",
    [
        "---\nNur eine Linie, und Text\n---\nmehr",
        "---\ntitle: ohne Ende\n\nText",
        "Text\n---\na: b\n",
    ],
)
def test_a_rule_across_the_page_is_no_front_matter(text: str) -> None:
    assert split_front_matter(text) == ({}, text)


def test_a_broken_line_of_front_matter_is_named() -> None:
    assert "Line 3 of the front matter" in refusal(b"---\ntitle: A\nupdated 2026\n---\nT", ".md")


def test_what_a_page_does_not_show_is_not_read() -> None:
    hidden = "sichtbar <!-- Passwort: geheim -->\n<style>p {}</style><script>x()</script>\nauch"
    assert without_hidden(hidden).split() == ["sichtbar", "auch"]
    assert without_hidden("vorher\n<!-- nie geschlossen\nnachher") == "vorher\n"


@pytest.mark.parametrize(
    "shown",
    ["```html\n<!-- Beispiel -->\n```\n", "Mit `<!-- x -->` verstecken", "~~~\n<script>\n~~~\n"],
)
def test_what_stands_in_code_is_shown(shown: str) -> None:
    assert without_hidden(shown) == shown


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# A", "A"),
        ("## B\n# C #\n", "C"),
        ("Titel\n=====\n", "Titel"),
        ("```\n# no\n```\n\n# Yes {#id}\n", "Yes"),
        ("#hashtag\n", ""),
        ("Text", ""),
    ],
)
def test_the_title_is_the_first_heading_of_level_one(text: str, title: str) -> None:
    assert first_heading(text) == title


@pytest.mark.parametrize(
    "piece",
    ["<!-- ", "```\n", "`", "` ", "---\n", "# [", "<script>", "# {#", "> ", "a\n===x\n", "a: b\n"],
)
def test_reading_time_grows_with_the_size_and_not_with_its_square(piece: str) -> None:
    text = "---\n" + piece * (400_000 // len(piece))
    begin = time.process_time()
    first_heading(without_hidden(split_front_matter(text)[1]))
    assert time.process_time() - begin < 3


def test_text_is_searched_in_one_spelling() -> None:
    text = "# Pru\u0308fungs\u00adordnung\n\nfu\u0308r a\u200blle"
    document = parse(text.encode(), ".md")
    assert document.text == "# Prüfungsordnung\n\nfür alle"
    assert document.title == "Prüfungsordnung"


def test_front_matter_alone_is_no_document() -> None:
    assert "no text" in refusal(b"---\ntitle: A\n---\n", ".md")
    assert "no text" in refusal(b"<!-- nothing -->", ".md")
    assert "no text" in refusal(b"  \n\t\n", ".txt")


# --- plain text ------------------------------------------------------------------------------


def test_plain_text_keeps_its_lines_and_makes_no_headings() -> None:
    document = parse(b"# 1 of 3\nShort.\n    ls  -l\n> not a quotation\nC# is fine\n", ".TXT")
    assert document.text == "\\# 1 of 3\nShort.\n    ls  -l\n\\> not a quotation\nC# is fine"
    assert document.title == ""


# --- HTML ------------------------------------------------------------------------------------

SITE = """<!DOCTYPE html><html><head><title>Drucken – Uni</title><style>p {}</style></head><body>
<nav>Start</nav><main><h1>Drucken</h1>
<p>Mit <code>lpr -P FollowMe</code>, siehe <a href="https://print.example/a">Portal</a>
 und <a href="javascript:steal()">hier</a> oder <a href="/rel">dort</a>.</p>
<p hidden>versteckt</p><p style="display: none">auch versteckt</p>
<h2>Schritte</h2><ol start="3"><li><p>Treiber</p><p>laden</p></li>
<li>Fertig<ul><li>sofort</li></ul></li></ol>
<pre><code class="language-sh"># kein Titel
lpr  datei.pdf
</code></pre>
<h3>Preise</h3>
<table><tr><th>Art</th><th>Cent</th></tr>
<tr><td>s/w | grau</td><td>5</td></tr><tr><td>Farbe</td></tr></table>
<table><tr><td>Nur Layout</td></tr></table>
<details><summary>Und Poster?</summary><p>Im C4.</p></details>
<form><p>Steht in einem Formular.</p></form>
<figure><img src="http://remote.example/x.png" alt="Bild">
<figcaption>Das Gerät</figcaption></figure>
<p># 5 ist kein Titel</p><script>alert(1)</script>
</main></body></html>"""

SITE_AS_MARKDOWN = r"""# Drucken

Mit `lpr -P FollowMe`, siehe [Portal](https://print.example/a) und hier oder dort.

## Schritte

3. Treiber laden
4. Fertig
    - sofort

```
# kein Titel
lpr  datei.pdf
```

### Preise

| Art | Cent |
| --- | --- |
| s/w \| grau | 5 |
| Farbe |  |

Nur Layout

Und Poster?

Im C4.

Steht in einem Formular.

Das Gerät

\# 5 ist kein Titel"""


def test_html_becomes_the_markdown_of_what_a_browser_shows() -> None:
    document = parse(SITE.encode(), ".html")
    assert document.text == SITE_AS_MARKDOWN
    assert document.title == "Drucken"


def test_a_card_that_is_a_link_keeps_its_heading() -> None:
    html = '<a href="https://x.example/"><h2>Drucken</h2><p>Alles darüber</p></a>'
    assert parse(html.encode(), ".html").text == "## Drucken\n\nAlles darüber"


def test_html_without_a_heading_has_the_title_of_its_head() -> None:
    html = "<?xml version='1.0'?><html><head><title>Öffnungs&shy;zeiten</title></head><p>Mo bis Fr"
    document = parse(html.encode(), ".xhtml")
    assert (document.title, document.text) == ("Öffnungszeiten", "Mo bis Fr")


def test_html_declares_its_encoding() -> None:
    html = '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2"><p>Łódź</p>'
    assert parse(html.encode("iso-8859-2"), ".htm").text == "Łódź"


@pytest.mark.parametrize(
    "html",
    [
        '<!DOCTYPE x SYSTEM "http://remote.example/x.dtd"><p>Text &leak; hier</p>',
        '<!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/passwd">]><p>Text &leak; hier</p>',
        '<link rel="stylesheet" href="http://remote.example/x.css"><p>Text hier</p>',
        '<iframe src="http://remote.example/"></iframe><p>Text hier</p>',
    ],
)
def test_html_fetches_nothing(html: str) -> None:
    text = parse(html.encode(), ".html").text
    assert "root:" not in text
    assert "hier" in text


def test_unstructured_is_silenced_before_it_is_loaded() -> None:
    parse(b"<p>Ein Absatz</p>", ".html")
    assert os.environ["DO_NOT_TRACK"] == "true"
    assert os.environ["SCARF_NO_ANALYTICS"] == "true"


def test_html_that_is_nested_without_end_is_refused() -> None:
    assert "nested too deeply" in refusal(b"<div>" * 5_000 + b"Text", ".html")


# --- DOCX ------------------------------------------------------------------------------------


def test_docx_keeps_headings_lists_tables_and_links() -> None:
    document = parse(handbook(), ".docx")
    assert document.title == "Handbuch Drucken"
    assert document.text == (
        "# Handbuch Drucken\n\n"
        "Gedruckt wird über eine gemeinsame Warteschlange.\n\n"
        "# Einrichten\n\n"
        "1. Treiber laden\n2. Drucker hinzufügen\n    - unter Windows\n\n"
        "## Preise\n\n"
        "| Art | Cent |\n| --- | --- |\n| s/w \\| grau | 5 |\n\n"
        "\\# 1 der Liste\n\n"
        "Guthaben: siehe [das Portal](https://print.example/)"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04broken",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\1" * 600,
        handbook()[:-200],
        with_part(handbook(), "word/document.xml", b"<w:document"),
        with_part(docx_bytes(docx.Document()), "[Content_Types].xml", b"<x/>"),
    ],
    ids=["zip", "older format", "cut off", "bad xml", "no types"],
)
def test_a_broken_docx_is_refused(data: bytes) -> None:
    assert "DOCX" in refusal(data, ".docx")


def test_a_docx_that_unpacks_beyond_bounds_is_refused_unread() -> None:
    bomb = with_part(handbook(), "word/media/a.bin", b"\0" * (MAX_UNPACKED + 1))
    assert len(bomb) < 1_000_000
    assert "unpacked" in refusal(bomb, ".docx")


def test_a_docx_cannot_read_files_or_addresses_through_entities() -> None:
    with zipfile.ZipFile(io.BytesIO(handbook())) as archive:
        body = archive.read("word/document.xml")
    start = body.index(b"<w:document")
    declared = b'<!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/passwd">]>'
    evil = body[:start] + declared + body[start:].replace(b"Einrichten", b"&leak;Einrichten")
    try:
        text = parse(with_part(handbook(), "word/document.xml", evil), ".docx").text
    except BadDocument:
        return
    assert "root:" not in text


# --- PDF -------------------------------------------------------------------------------------


def test_a_pdf_is_read_page_by_page_with_words_made_whole() -> None:
    data = pdf_bytes(
        [
            [
                "Prüfungsordnung",
                "§ 1 Geltung",
                "Diese Ordnung regelt den Stu-",
                "diengang Informatik",
            ],
            ["Studien- und Prüfungs-", "ordnung, Studien-", "und Sprachkurse", "# 5 am Anfang"],
        ],
        outline=[("Prüfungsordnung", 0), ("§ 1 Geltung", 1)],
    )
    document = parse(data, ".pdf")
    assert document.text == (
        "# Prüfungsordnung\n\n## § 1 Geltung\n\nDiese Ordnung regelt den Studiengang Informatik"
        "\n\nStudien- und Prüfungsordnung, Studien-\nund Sprachkurse\n\\# 5 am Anfang"
    )
    assert document.title == "Prüfungsordnung"


def test_the_first_chapter_of_a_pdf_is_not_its_title() -> None:
    data = pdf_bytes([["1 Anfang", "Text.", "2 Ende"]], outline=[("1 Anfang", 0), ("2 Ende", 0)])
    document = parse(data, ".pdf")
    assert (document.text, document.title) == ("# 1 Anfang\n\nText.\n\n# 2 Ende", "")


def test_a_pdf_of_pictures_is_refused_and_the_mend_is_ocr() -> None:
    assert "OCR" in refusal(pdf_bytes([[""], ["3"], [""]]), ".pdf")


def test_a_protected_pdf_is_refused_unless_the_password_is_empty() -> None:
    page = [["Ein Text, der lang genug ist."]]
    assert "password" in refusal(pdf_bytes(page, password="geheim"), ".pdf")


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\nbroken", b"no pdf at all", pdf_bytes([["Text"]])[:200]]
)
def test_a_broken_pdf_is_refused(data: bytes) -> None:
    assert "PDF is broken" in refusal(data, ".pdf")


def test_an_unknown_type_names_the_known_ones_and_the_way_out() -> None:
    reason = refusal(b"x", ".rst")
    assert ".docx" in reason
    assert "exclude" in reason
