"""Bytes of a text file → text, or a reason why they are none."""

import codecs
import re

from rag.core.errors import BadDocument

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SEQUENCES = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_HIGH_BYTES = re.compile(rb"[\x80-\xff]")
_SAVE_AS_UTF8 = "Save the file as UTF-8."


def decode(data: bytes, *, declared: str = "") -> str:
    r"""The text with `\n` as its only line end and without a byte order mark.

    A byte order mark decides, then UTF-8, then the encoding that the document declares, then
    cp1252, which old German editors write.

    >>> decode(b"Gr\xfc\xdfe\r\n")
    'Grüße\n'

    Raises:
        BadDocument: empty, binary, or broken in the encoding it is in.
    """
    if not data:
        raise BadDocument("The file is empty.", mend="Fill it or delete it.")
    text = _marked(data)
    text = _checked(_unmarked(data, declared) if text is None else text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _marked(data: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise BadDocument(
                    f"The file begins as {encoding}, but byte {error.start} is not.",
                    mend=_SAVE_AS_UTF8,
                ) from None
    return None


def _unmarked(data: bytes, declared: str) -> str:
    if b"\0" in data:
        raise BadDocument("The file holds NUL bytes: it is not text.", mend="Exclude it.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_broken_utf8(data):
            raise BadDocument(
                f"The file is UTF-8, but byte {error.start} is broken.", mend=_SAVE_AS_UTF8
            ) from None
    for encoding in (declared, "cp1252"):
        try:
            return data.decode(encoding) if encoding else data.decode("cp1252")
        except (LookupError, ValueError):
            continue
    raise BadDocument("The file is in no known text encoding.", mend=_SAVE_AS_UTF8)


def _is_broken_utf8(data: bytes) -> bool:
    """Most bytes beyond ASCII stand in valid sequences: cp1252 text has next to none of them."""
    in_sequences = sum(len(each) for each in _SEQUENCES.findall(data))
    return 2 * in_sequences > len(_HIGH_BYTES.findall(data))


def _checked(text: str) -> str:
    """The text without stray control characters; where they are many, it never was text."""
    controls = len(_CONTROLS.findall(text))
    if controls * 100 > len(text):
        raise BadDocument("The file holds control characters: it is not text.", mend="Exclude it.")
    return _CONTROLS.sub("", text) if controls else text
