"""German and English are told apart, down to questions of one or two words."""

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag.core.definitions.base import Language
from rag.languages import detect

Case = tuple[str, Language]
SAMPLE = Path(__file__).parents[2] / "config" / "sample" / "cases"

GERMAN = """
WLAN geht nicht
vpn linux einrichten
Passwort vergessen
drucker geht nicht
Hilfe
ich komme nicht rein
Mail weiterleiten
Zugang gesperrt
Moodle Kurs finden
Wo ist C4?
Druckguthaben aufladen
Kann nicht drucken
eduroam auf dem Handy
Wie viele ECTS?
welche kurse montags
zweiter Faktor verloren
Login klappt nicht
neues iPhone
HPC Konto beantragen
Citavi für Studenten
vpn verbindung bricht ab
E-Mail Alias ändern
Anmeldefrist
Öffnungszeiten
Prüfungsanmeldung
Master Informatik Kurse
was kostet drucken
Papierstau
Kurse auf Englisch
Seminar Datenschutz
kein internet im wohnheim
outlook kalender teilen
Passwort ändern?
Backup wiederherstellen
gruppenlaufwerk beantragen
Wer liest Algebra?
Semesterticket
Zoom Lizenz
matlab lizenz
gast wlan
Klausurtermin
abends, 5 ects
Softwareliste
Mathe 1
PASSWORT VERGESSEN
"""
ENGLISH = """
Reset password?
wifi not working
printer broken
how to print
lost phone 2FA
set up vpn on linux
forgot my password
can't log in
mailbox full
share calendar
guest wifi
course on Java
courses on Monday
evening courses 5 ects
exam date
who teaches algebra
HPC account
matlab license
office hours
where is C4
install Citavi
forward my mail
top up print credit
security key lost
recover deleted files
cloud storage quota
login fails
eduroam on my phone
account locked
change email alias
machine learning lecture
join group drive
opening hours
new iPhone
deadline registration
Help
data protection seminar
paper jam
slow internet
statistics course for beginners
vpn disconnects
Which courses have no prerequisites?
FORGOT MY PASSWORD
"""
PROSE: tuple[Case, ...] = (
    ("Ihr Konto wird nach fünf Versuchen für zwanzig Minuten gesperrt.", "de"),
    ("Your account is locked for twenty minutes after five attempts.", "en"),
    ("Nutzen Sie `sudo apt install openconnect` and nothing else. Das Passwort bleibt.", "de"),
    ("See https://wiki.example/wie-aendere-ich-mein-passwort-auf-dem-handy for details.", "en"),
    ("Frag nach unter how-to-get-help-with-the-password@sonnhagen.example oder am Schalter.", "de"),
    (
        "Run this:\n\n```bash\n# das ist nicht der Weg und nicht das Ziel\n```\n\nThen log in.",
        "en",
    ),
)


def short() -> list[Case]:
    german: list[Case] = [(line, "de") for line in GERMAN.strip().split("\n")]
    english: list[Case] = [(line, "en") for line in ENGLISH.strip().split("\n")]
    return german + english


def cases(files: Iterable[Path]) -> list[Case]:
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [(case["question"], case["language"]) for case in map(json.loads, lines)]


def share_right(cases: Sequence[Case], *, default: Language) -> float:
    right = sum(detect(text, default=default) == language for text, language in cases)
    return right / len(cases)


@pytest.mark.parametrize(("text", "language"), short())
def test_short_questions_are_never_taken_for_the_other_language(
    text: str, language: Language
) -> None:
    assert detect(text, default=language) == language


def test_few_short_questions_are_left_to_the_default() -> None:
    german = [case for case in short() if case[1] == "de"]
    english = [case for case in short() if case[1] == "en"]
    assert share_right(german, default="en") >= 0.85
    assert share_right(english, default="de") >= 0.95


@pytest.mark.parametrize(("text", "language"), PROSE)
def test_code_and_addresses_do_not_count(text: str, language: Language) -> None:
    assert detect(text) == language


@pytest.mark.parametrize("default", ["de", "en"])
def test_the_questions_of_the_sample_campus(default: Language) -> None:
    assert share_right(cases(SAMPLE.glob("*.jsonl")), default=default) >= 0.98


@pytest.mark.outside_data
@pytest.mark.parametrize("default", ["de", "en"])
def test_questions_of_other_people(outside_data: Path, default: Language) -> None:
    questions = cases((outside_data / "tuning").glob("*/cases.jsonl"))
    assert len(questions) > 800
    assert share_right(questions, default=default) >= 0.98


@pytest.mark.parametrize("text", ["", "   ", "802.11", "eduroam android", "???", "\ud83c", "漢字"])
def test_what_cannot_be_told_is_the_default(text: str) -> None:
    assert detect(text, default="de") == "de"
    assert detect(text, default="en") == "en"


def test_a_page_costs_no_more_than_its_beginning() -> None:
    page = "Der Drucker steht im Erdgeschoss, und daneben liegt Papier. " * 20_000
    detect(page)
    before = time.perf_counter()
    for _ in range(20):
        assert detect(page) == "de"
    assert (time.perf_counter() - before) / 20 < 0.02


@pytest.mark.parametrize("text", ["a" * 5000, "a." * 5000, "<" * 5000, "`" * 5001, "~~~\n" * 2000])
def test_odd_text_costs_no_more(text: str) -> None:
    before = time.perf_counter()
    detect(text)
    assert time.perf_counter() - before < 0.5


def test_threads_do_not_disturb_each_other() -> None:
    questions = short() * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detect, [text for text, _ in questions]))
    assert found == [detect(text) for text, _ in questions]
