"""How much of a question's words a text shares, rare words counting most. German and English."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

Terms = frozenset[str]

_WORD = re.compile(r"[^\W_]+")
_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_STEM = 4
_PREFIX = 5
_PREFIX_SHARE = 0.8
_ENDING = 2
_INNER = 6
# About the weight of three words of which few of the passages have any.
_LONG = 6.0
_EXACT, _INFLECTED, _COMPOUND = 1.0, 0.9, 0.7
_GERMAN = """
aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis
bitte bist da dabei damit danach dann das dass dazu dein deine dem den denn der deren des
deshalb dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem
einen einer eines er es etwas euch euer fuer gar gegen geht gehts gibt gerade gern hab habe
haben hallo hast hat hatte hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist
ja jede jedem jeden jeder jedes kann kannst kein keine keinem keinen keiner koennen koennt
koennte machen mal man mehr mein meine meinem meinen meiner meines mich mir mit moechte
moechten muss muessen nach nicht noch nun nur ob oder ohne sein seine seinem seinen seiner
seit sich sie sind so soll sollen sollte sowie ueber um und uns unser unsere unter vom von
vor wann war waren warum was weil welche welchem welchen welcher welches wenn wer werde
werden wie wieder will wir wird wo wohin womit wozu wuerde zu zum zur zwischen
"""
_ENGLISH = """
a about after again all also am an and any are as at be been before but by can could did do
does doing don for from get go had has have he hello her here hers him his how i if in into
is it its just like m me mine more must my need no nor not of off on one or other our ours
out over own please s same she should so some such t than that the their theirs them then
there these they this those through to too under until up us very want was we were what when
where which while who whom why will with would you your yours
"""
_STOP_WORDS = frozenset((_GERMAN + _ENGLISH).split())


def terms(text: str) -> Terms:
    """The words that carry meaning, folded; all words where nothing else is left.

    >>> sorted(terms("Wie ändere ich mein Passwort?"))
    ['aendere', 'passwort']
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_FOLD)
    words = frozenset(_WORD.findall(folded))
    return words - _STOP_WORDS or words


@lru_cache(maxsize=65_536)
def likeness(one: str, other: str) -> float:
    """1 for the same word, less for another form of it or a compound with it, else 0.

    >>> likeness("drucken", "drucker"), likeness("passwort", "passwortaenderung")
    (0.9, 0.7)
    >>> likeness("handy", "handel")
    0.0
    """
    if one == other:
        return _EXACT
    short, long = sorted((one, other), key=len)
    if len(short) < _STEM:
        return 0.0
    shared = _shared_prefix(short, long)
    extended = shared == len(short) and len(long) - len(short) <= _ENDING
    if extended or (shared < len(short) and shared >= max(_PREFIX, _PREFIX_SHARE * len(short))):
        return _INFLECTED
    compound = short in long and (len(short) >= _INNER or long.endswith(short) or shared)
    return _COMPOUND if compound else 0.0


def _shared_prefix(short: str, long: str) -> int:
    for place, (one, other) in enumerate(zip(short, long, strict=False)):
        if one != other:
            return place
    return len(short)


class Overlap:
    """Measures texts against one question, with the passages at hand as the corpus.

    The weight of a word is ln(1 + N / n), n of N passages having it: a form of the inverse document
    frequency (Spärck Jones 1972) that stays above zero for a word which every passage has. A word
    that none has weighs as if half of one had it, so what is not answered lowers the share.
    """

    def __init__(self, question: str, passages: Sequence[Terms]) -> None:
        self._weights = {word: _weight(word, passages) for word in terms(question)}
        self._total = sum(self._weights.values())

    def share(self, text: Iterable[str]) -> float:
        """The weighted share of the question's words that the text has, from 0 to 1."""
        return self._found(text) / self._total if self._total else 0.0

    def subject(self, text: Iterable[str]) -> float:
        """The same, but of a long question not all is asked: above a weight it counts no further.

        A person who tells the whole story of a problem uses many words that no page repeats.
        """
        return min(1.0, self._found(text) / min(self._total, _LONG)) if self._total else 0.0

    def _found(self, text: Iterable[str]) -> float:
        words = tuple(text)
        return sum(
            weight * max((likeness(word, each) for each in words), default=0.0)
            for word, weight in self._weights.items()
        )


def _weight(word: str, passages: Sequence[Terms]) -> float:
    having = sum(any(likeness(word, each) for each in passage) for passage in passages)
    return math.log1p(len(passages) / (having or 0.5))
