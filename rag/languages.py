"""German or English: the only user of py3langid.

The model reads bytes and is sure of itself from a sentence on. A question of two words is often
less clear («eduroam android»), so for short text its odds are joined with a few words that belong
to one of the two languages alone. What is still open gets the caller's default.
"""

import math
import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from rag.core.definitions.base import Language

WINDOW = 2000
"""Characters of prose that are read; more would not change the answer, only its cost."""
SHORT = 12
"""Up to so many words the word list has a say."""
WORD_WEIGHT = 2.0
"""Natural logarithm of the odds that one listed word is worth. With 1, 2 or 4 the same questions
are answered wrong; with 1 a few more of two words are left to the default."""
SURE = math.log(3)
"""Odds below three to one are a guess; then the caller's default holds."""

_NOISE = re.compile(
    r"(?s:^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z))|`[^`\n]*`|<[^<>\n]*>"
    r"|\b\w{1,16}://\S+|[^\s@]{1,64}@\S+|\bwww\.\S+",
    re.MULTILINE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")
_GERMAN_LETTERS = re.compile(r"[äöüßÄÖÜẞ]")
_GERMAN_WORDS = """
aber alle als anmelden anmeldung auch auf aus bei beim bekomme benutzer bitte brauche dann das
dass dein deine dem den der des dich diese dieser dieses doch drucken drucker du ein eine einem
einen einer eines einrichten entsperren ersetzen es falsch fehler frage frist gast gegen gehen
geht gesperrt gibt habe haben hallo hilfe ich ihr ihre im immer installieren ist ja kann kannst
kaputt kein keine keinen kennwort klausur konto kurs kurse lernen lizenz mein meine meinem meinen
meiner mich mir mit muss nach neu neue neuer neues nicht noch nur oder ohne passwort postfach
rechner schnell sehr seit seite sich sie sind sperre sprechstunde studenten studierende studium um
und uni unter verbinden verbindung vergessen verloren viel viele vom von vorlesung wann warum
welche welcher welches wenn wer werden wie wieder wieso wir wird wo woher wohin wurde zeit zu
zugang zugriff zum zur zwischen
"""
_ENGLISH_WORDS = """
about access account after and any are before broken can can't cannot change connect connection
could course courses credits deadline delete did do does doesn't don't during exam expired find
for forget forgot forgotten from get has have hello help how i'm i've install instead into is
isn't it it's lecture licence license locked lost mailbox many my near need new no of on or our
out over paper password phone please print printer printing request reset search set setting
settings setup should show slow some students that the their them there these they this to too
turn under use using we were what when where which who why with won't work working works would you
your
"""
_GERMAN = frozenset(_GERMAN_WORDS.split())
_ENGLISH = frozenset(_ENGLISH_WORDS.split())


def detect(text: str, *, default: Language = "de") -> Language:
    """The language that the text is written in; addresses and code are not counted.

    `default` is the answer where the text is of neither language or of both: names, numbers,
    «eduroam android». Safe to call from any thread; the first call loads the model.

    >>> detect("WLAN geht nicht"), detect("Reset password?"), detect("802.11", default="en")
    ('de', 'en', 'en')
    """
    prose = _NOISE.sub(" ", text[: 2 * WINDOW])[:WINDOW]
    odds = _model_odds(prose)
    words = _WORD.findall(prose.lower(), 0, WINDOW) if abs(odds) < 2 * WORD_WEIGHT else []
    if len(words) <= SHORT:
        odds += WORD_WEIGHT * _word_balance(words)
    if abs(odds) < SURE:
        return default
    return "de" if odds > 0 else "en"


def _model_odds(prose: str) -> float:
    """Natural logarithm of German over English, by the model."""
    language: str
    probability: float
    language, probability = _identifier().classify(prose)
    odds = math.log(probability / max(1 - probability, 1e-9))
    return odds if language == "de" else -odds


def _word_balance(words: list[str]) -> int:
    german = sum(word in _GERMAN or bool(_GERMAN_LETTERS.search(word)) for word in words)
    return german - sum(word in _ENGLISH for word in words)


@cache
def _identifier() -> LanguageIdentifier:
    # Two threads may both come here first: then it is loaded twice and one copy is thrown away.
    # Classifying changes nothing in it.
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(["de", "en"])
    return identifier
