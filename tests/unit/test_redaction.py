"""What leaves the campus has no personal data of known form in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.redaction import PatternRedactor


def redact(text: str) -> str:
    return PatternRedactor().redact(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail an erika.muster@uni.example bitte", "Mail an [EMAIL_1] bitte"),
        ("a@b.example, c@d.example, a@b.example", "[EMAIL_1], [EMAIL_2], [EMAIL_1]"),
        ("Tel. +49 5599 880-4400", "Tel. [PHONE_1]"),
        ("Ruf 0551 / 123456 an", "Ruf [PHONE_1] an"),
        ("0171 2345678!", "[PHONE_1]!"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN_1]."),
        ("IBAN DE89370400440532013000", "IBAN [IBAN_1]"),
        ("von 10.20.30.40 aus", "von [IP_1] aus"),
        ("von fe80::1ff:fe23:4567:890a aus", "von [IP_1] aus"),
        ("MAC 00:1a:2B:3c:4d:5e hier", "MAC [MAC_1] hier"),
        ("Matrikelnummer: 1234567", "Matrikelnummer: [MATRICULATION_1]"),
        ("my matriculation number is 1234567.", "my matriculation number is [MATRICULATION_1]."),
        ("Passwort: Sommer2026!", "Passwort: [SECRET_1]"),
        ("mein Passwort lautet Sommer2026! und", "mein Passwort lautet [SECRET_1] und"),
        ("my password is hunter2, help", "my password is [SECRET_1], help"),
        ("api_key=sk-abc", "api_key=[SECRET_1]"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer [SECRET_1]"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nda",
            "[SECRET_1]\nda",
        ),
    ],
)
def test_known_forms_are_replaced(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Mein Passwort ist abgelaufen.",
        "My password is expired, what now?",
        "Wie ändere ich mein Passwort?",
        "Treffen um 12:30:45 in Raum 0.12 am 01.10.2026.",
        "Version 3.3.6 und 2026-10-01, 5 ECTS",
        "Bestellung DE00 ABCD EFGH IJKL",
        "std::abs und ad::dc sind Namen",
        "Modul 10234 im Semester 2026W",
        "C4, Durchwahl 4400",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


SECRETS = st.sampled_from(
    ["a@b.example", "+49 5599 880-4400", "10.0.0.1", "Passwort: x1y2z3", "00:11:22:33:44:55"]
)


@given(st.lists(st.one_of(SECRETS, st.text(max_size=8)), max_size=8).map(" ".join))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(st.text(max_size=30), SECRETS, st.text(max_size=30))
def test_a_secret_between_spaces_never_stays(before: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")
