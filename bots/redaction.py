"""Takes personal data and credentials out of a text before it travels."""

import re
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_CUES = (
    r"(?:passw(?:or[dt]|ort)e?s?|kennwort|passwd|pwd|passphrase|pin|puk|tan|token|secret"
    r"|api[-_ ]?key|recovery code|wiederherstellungscode|einmalcode)"
)
_AFTER_COLON = rf"\b{_CUES}\b[\"'”“]?\s*(?:[:=]|=>)\s*[\"'„“”]?(?P<secret>[^\s\"'“”„,;]{{3,}})"
# After a verb, «my password is expired» is a sentence: only what looks like a secret is one.
_AFTER_VERB = (
    rf"\b{_CUES}\b\s+(?:ist|war|lautet|heißt|is|was)\s+"
    r"(?:jetzt\s+|now\s+)?[\"'„“”]?(?P<secret>(?=\S*[\d!?$%&#@*+_^~])[^\s\"'“”„,;]{3,})"
)
_BEARER = r"\bbearer\s+(?P<secret>[\w.~+/=-]{8,})"
_PRIVATE_KEY = (
    r"(?P<secret>-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"(?:[\s\S]{0,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----)?)"
)
_MATRICULATION = (
    r"\b(?:matrikel(?:nummer|-?nr\.?)?|matr\.?-?\s?nr\.?|matriculation(?: number| no\.?)?"
    r"|student (?:id|number))\s*(?:ist|lautet|is|[:#=])?\s*(?P<secret>\d{5,10})\b"
)
_EMAIL = r"(?P<secret>[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
_IBAN = r"\b(?P<secret>[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b"
_MAC = r"(?<![\w:-])(?P<secret>[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})(?![\w:-])"
_IPV4 = r"(?<![\w.])(?P<secret>\d{1,3}(?:\.\d{1,3}){3})(?![\w]|\.\d)"
_IPV6 = r"(?<![\w:.])(?P<secret>[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:])"
# An international number, or a national one behind a 0 with at least seven digits in all.
_PHONE = (
    r"(?<![\w.,/-])(?P<secret>(?:\+|00)[1-9](?:[ ()/.-]{0,3}\d){6,14}"
    r"|0(?:[ ()/-]{0,3}\d){6,14})(?!\w)"
)


class PatternRedactor:
    """Replaces what follows a known form or cue by `[KIND_1]`, the same text by the same number.

    It knows the forms of e-mail addresses, telephone numbers, IBANs, IP and MAC addresses and
    private keys, and the German and English cues of passwords, tokens and matriculation numbers. It
    knows no names. What it replaced once it leaves alone the next time.
    """

    def redact(self, text: str) -> str:
        """The text with placeholders; what it could not recognise stands as it was."""
        for kind, pattern, holds in _RULES:
            text = _replace(text, kind, pattern, holds)
        return text


def _replace(text: str, kind: str, pattern: re.Pattern[str], holds: Callable[[str], bool]) -> str:
    taken = {found.group() for found in re.finditer(rf"\[{kind}_\d+\]", text)}
    fresh = (name for name in _names(kind) if name not in taken)
    names: dict[str, str] = {}

    def placeholder(found: re.Match[str]) -> str:
        secret = found["secret"]
        if not holds(secret):
            return found.group()
        if secret not in names:
            names[secret] = next(fresh)
        start, end = found.start("secret") - found.start(), found.end("secret") - found.start()
        return found.group()[:start] + names[secret] + found.group()[end:]

    return pattern.sub(placeholder, text)


def _names(kind: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"[{kind}_{number}]"


def _is_new(secret: str) -> bool:
    return not re.match(r"\[[A-Z]+_\d+\]", secret)


def _is_iban(secret: str) -> bool:
    """ISO 13616: the check digits make the number 1 modulo 97."""
    plain = secret.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _is_ipv4(secret: str) -> bool:
    try:
        IPv4Address(secret)
    except AddressValueError:
        return False
    return True


def _is_ipv6(secret: str) -> bool:
    """Without a digit it is more likely a name in a program, such as `ad::dc`."""
    try:
        IPv6Address(secret)
    except AddressValueError:
        return False
    return any(char.isdigit() for char in secret)


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (kind, re.compile(pattern, flags), holds)
    for kind, pattern, flags, holds in (
        ("SECRET", _PRIVATE_KEY, re.NOFLAG, _is_new),
        ("SECRET", _AFTER_COLON, re.IGNORECASE, _is_new),
        ("SECRET", _AFTER_VERB, re.IGNORECASE, _is_new),
        ("SECRET", _BEARER, re.IGNORECASE, _is_new),
        ("MATRICULATION", _MATRICULATION, re.IGNORECASE, _is_new),
        ("EMAIL", _EMAIL, re.NOFLAG, _is_new),
        ("IBAN", _IBAN, re.NOFLAG, _is_iban),
        ("MAC", _MAC, re.NOFLAG, _is_new),
        ("IP", _IPV4, re.NOFLAG, _is_ipv4),
        ("IP", _IPV6, re.NOFLAG, _is_ipv6),
        ("PHONE", _PHONE, re.NOFLAG, _is_new),
    )
)
