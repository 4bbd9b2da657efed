"""A document's bytes → Markdown, title and front matter: the only `unstructured` user.

HTML and DOCX go through unstructured. Markdown keeps its author's own text (see `markdown`), plain
text its lines, which unstructured would take for titles whenever they are short, and PDF its text
layer (see `pdf`). Nothing here opens a connection: no model is fetched, no image, no reference.
"""

import io
import logging
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from connectors.blocks import to_markdown
from connectors.decoding import decode
from connectors.markdown import (
    FrontMatter,
    escaped,
    first_heading,
    split_front_matter,
    without_hidden,
)
from connectors.markup import declared_encoding, spoken
from connectors.pdf import pdf_text
from connectors.values import clean
from rag.core.errors import BadDocument, Unavailable

MAX_UNPACKED = 200_000_000
MAX_PARTS = 10_000
_SILENCE = {
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
}
_NO_DETECTION = [""]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One parsed document. `title` is empty where it names none itself."""

    text: str
    title: str = ""
    front_matter: FrontMatter = field(default_factory=dict)


def parse(data: bytes, suffix: str) -> Document:
    """Parse by the file's suffix, which is one of `SUFFIXES`.

    Raises:
        BadDocument: of no known format, broken, or without any text.
    """
    reader = _READERS.get(suffix.lower())
    if reader is None:
        raise BadDocument(
            f"Files of type “{suffix}” can't be read.",
            mend=f"Known: {', '.join(SUFFIXES)}. Name others under `exclude`.",
        )
    if not data:
        raise BadDocument("The file is empty.", mend="Fill it or delete it.")
    document = reader(data)
    text = clean(document.text).strip()
    if not text:
        raise BadDocument("The file holds no text.", mend="Fill it or delete it.")
    title = " ".join(clean(document.title).split())
    return Document(text=text, title=title, front_matter=document.front_matter)


def _markdown(data: bytes) -> Document:
    front_matter, body = split_front_matter(decode(data))
    body = without_hidden(body)
    return Document(text=body, title=first_heading(body), front_matter=front_matter)


def _plain(data: bytes) -> Document:
    return Document(text="\n".join(escaped(line) for line in decode(data).split("\n")))


def _pdf(data: bytes) -> Document:
    text = pdf_text(data)
    # Of several chapters at the top of an outline, none is the title of the whole.
    alone = f"\n{text}".count("\n# ") == 1
    return Document(text=text, title=first_heading(text) if alone else "")


def _html(data: bytes) -> Document:
    html = decode(data, declared=declared_encoding(data))

    partition = _unstructured().html

    def partitioned() -> tuple[str, str]:
        said, title = spoken(html)
        elements = partition(text=said, languages=_NO_DETECTION)
        return to_markdown(elements, top=1), title

    text, title = _attempt("HTML", partitioned)
    return Document(text=text, title=first_heading(text) or title)


def _docx(data: bytes) -> Document:
    _check_archive(data)
    partition = _unstructured().docx

    def partitioned() -> str:
        elements = partition(file=io.BytesIO(data), languages=_NO_DETECTION)
        return to_markdown(elements, top=0)

    text = _attempt("DOCX", partitioned)
    return Document(text=text, title=first_heading(text))


def _attempt(kind: str, partition: Callable[[], _T]) -> _T:
    try:
        return partition()
    except BadDocument:
        raise
    except Exception as error:  # noqa: BLE001 - partitioning raises anything on a broken file
        raise BadDocument(
            f"The {kind} is broken ({type(error).__name__}).", mend="Save or export it again."
        ) from None


def _check_archive(data: bytes) -> None:
    """Refuse what would grow beyond bounds when it is unpacked; zipfile holds it to its sizes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise BadDocument(
            "This is no DOCX: broken, protected by a password, or an older format.",
            mend="Open it and save it as DOCX without protection.",
        ) from None
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise BadDocument(
            f"The DOCX grows beyond {MAX_UNPACKED:,} bytes when it is unpacked.",
            mend="Take the pictures out, or split it.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partitioners:
    html: Callable[..., Any]
    docx: Callable[..., Any]


@cache
def _unstructured() -> _Partitioners:
    """Load unstructured (seconds, once), silenced, and with a tokenizer that needs no download."""
    os.environ.update(_SILENCE)
    logging.getLogger("unstructured").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Packages far below it deprecate each other; nobody here can mend that.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _imported()
    except ImportError as error:
        raise Unavailable(
            f"HTML and DOCX can't be read: {error.name} is missing.",
            mend="Install unstructured[docx].",
        ) from None


def _imported() -> _Partitioners:
    import spacy  # noqa: PLC0415 - loaded with the first document that needs it
    from unstructured.nlp import tokenize  # noqa: PLC0415
    from unstructured.partition.docx import partition_docx  # noqa: PLC0415
    from unstructured.partition.html import partition_html  # noqa: PLC0415

    def blank_model() -> Any:
        model = spacy.blank("xx")
        model.add_pipe("sentencizer")
        # It only tells prose from other text, by the beginning; long words take it quadratic time.
        model.max_length = 5_000
        return model

    # Without this the first partition fetches an English model from the network.
    tokenize._load_spacy_model = blank_model  # noqa: SLF001
    return _Partitioners(html=partition_html, docx=partition_docx)


_READERS: Mapping[str, Callable[[bytes], Document]] = MappingProxyType(
    {
        ".md": _markdown,
        ".markdown": _markdown,
        ".html": _html,
        ".htm": _html,
        ".xhtml": _html,
        ".txt": _plain,
        ".docx": _docx,
        ".pdf": _pdf,
    }
)
SUFFIXES = tuple(_READERS)
