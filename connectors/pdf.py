"""The text layer of a PDF: the only pypdf user.

Partitioning PDFs would need inference packages of gigabytes; the text layer does not. Headings are
taken from the outline where the file has one, and never guessed from the length of a line.
"""

import io
import logging
import re
from collections.abc import Iterator, Mapping

from connectors.markdown import escaped
from rag.core.errors import BadDocument

MAX_PAGES = 5_000
_LETTERS_A_PAGE = 10
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
_BROKEN_WORD = re.compile(r"(\w)-[ \t]*\n(?!(?:und|oder|bzw|sowie|and|or)\b)([a-zäöüß])")

Outline = Mapping[str, int]


def pdf_text(data: bytes) -> str:
    """The text in the order of its pages, as Markdown.

    Words that were divided at the end of a line are joined again.

    Raises:
        BadDocument: broken, protected by a password, too long, or without a text layer.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        pages, outline = _read(data)
    except BadDocument:
        raise
    except Exception as error:  # noqa: BLE001 - pypdf raises anything on a broken file
        raise BadDocument(
            f"The PDF is broken ({type(error).__name__}).", mend="Export it again."
        ) from None
    _check_letters(pages)
    return "\n\n".join(_page(page, outline) for page in pages if page.strip())


def _read(data: bytes) -> tuple[list[str], Outline]:
    from pypdf import PdfReader  # noqa: PLC0415 - loaded with the first PDF

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise BadDocument(
            "The PDF is protected by a password.", mend="Export it without protection."
        )
    if len(reader.pages) > MAX_PAGES:
        raise BadDocument(
            f"The PDF has more than {MAX_PAGES} pages.", mend="Split it into chapters."
        )
    return [page.extract_text() for page in reader.pages], dict(_titles(reader.outline, 1))


def _titles(outline: object, level: int) -> Iterator[tuple[str, int]]:
    """Every title of the outline with its level; pypdf nests deeper ones in lists."""
    for entry in outline if isinstance(outline, list) else []:
        if isinstance(entry, list):
            yield from _titles(entry, level + 1)
        else:
            yield _plain(str(entry.title or "")), min(level, 6)


def _check_letters(pages: list[str]) -> None:
    letters = sum(character.isalnum() for page in pages for character in page)
    if letters < _LETTERS_A_PAGE * max(len(pages), 1):
        raise BadDocument(
            "The PDF has no text layer: its pages are pictures.",
            mend="Run it through OCR (for example ocrmypdf) first.",
        )


def _page(text: str, outline: Outline) -> str:
    text = _BROKEN_WORD.sub(r"\1\2", text.translate(_LIGATURES))
    lines = "\n".join(_line(line, outline) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def _line(line: str, outline: Outline) -> str:
    level = outline.get(_plain(line))
    return f"\n{'#' * level} {line.strip()}\n" if level else escaped(line.rstrip())


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
