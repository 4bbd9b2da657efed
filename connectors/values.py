"""Checks of single values from outside: times, links, keys, texts."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

from rag.core.errors import BadDocument

MAX_KEY = 1024
_GERMAN_TIME = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?: Uhr)?)?")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LINK = re.compile(r"https?://[^\s/<>\"]+[^\s<>\"]*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0xFEFF, *range(0xE0000, 0xE0080)])


def moment(text: str) -> datetime:
    """An ISO or German time as an aware one; without a zone it is UTC, a bare day its beginning.

    >>> moment("01.10.2026 08:30").isoformat()
    '2026-10-01T08:30:00+00:00'

    Raises:
        BadDocument: neither form, or a day that no calendar has.
    """
    text = text.strip()
    german = _GERMAN_TIME.fullmatch(text)
    try:
        if german:
            day, month, year, hour, minute = (int(part or 0) for part in german.groups())
            found = datetime(year, month, day, hour, minute, tzinfo=UTC)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        raise BadDocument("This is not a date.", mend="Write 2026-10-01 or 01.10.2026.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def end_moment(text: str) -> datetime:
    """Like `moment`, but a bare day counts to its end.

    >>> end_moment("2027-03-31").isoformat()
    '2027-04-01T00:00:00+00:00'
    """
    found = moment(text)
    german = _GERMAN_TIME.fullmatch(text.strip())
    if _ISO_DAY.fullmatch(text.strip()) or (german and german[4] is None):
        try:
            return found + timedelta(days=1)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)
    return found


def web_address(text: str) -> str:
    """The link, or nothing for nothing.

    Raises:
        BadDocument: no http address; other schemes could run as code in a reader's browser.
    """
    text = text.strip()
    if text and not _LINK.fullmatch(text):
        raise BadDocument(
            "The link is no http address.", mend="It begins with https:// and holds no space."
        )
    return text


def checked_key(key: str) -> str:
    """The key itself.

    Raises:
        BadDocument: empty, too long, or with characters that no log or link can show.
    """
    if not key.strip() or len(key) > MAX_KEY or _UNPRINTABLE.search(key):
        raise BadDocument(
            "The key is empty, too long or not printable.",
            mend=f"A key has 1 to {MAX_KEY} characters, none of them a control character.",
        )
    return key


def clean(text: str) -> str:
    r"""The text as it is searched: composed characters, no soft hyphens, no marks nobody sees.

    >>> clean("Pru\u0308fungs\u00adordnung")
    'Prüfungsordnung'

    Raises:
        BadDocument: it holds NUL or half a character.
    """
    if "\0" in text:
        raise BadDocument("The text holds NUL characters.", mend="Mend the export.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadDocument("The text holds half a character.", mend="Mend its encoding.") from None
    return unicodedata.normalize("NFC", text).translate(_INVISIBLE)
