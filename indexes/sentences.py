"""Where a German or English sentence ends."""

import re

_ENDING = re.compile(r"""[.!?…]+["'”“»«’)\]*_`]*(?P<gap>\s+)(?=["'„“”»«‚(\[*_`]*[A-ZÀ-ÖØ-Þ0-9])""")
_LAST_WORD = re.compile(r"([\w.-]{1,24})\.$")
_NO_END = re.compile(r"\w|\d{1,2}|(\w\.)+\w")
"""A single letter (z. B., A. Müller), an ordinal (am 1. Oktober), letters with dots (e.g.)."""
_SHORTENED = """
abb abs abschn allg anm approx apr art aufl aug bd bes bzgl bzw ca cf ch co dept dez dgl dipl div
dr dt ebd ed eds eig einschl eq etc evtl exkl ext feb ff fig ggf geb gem gest hrsg inc incl ing
inkl insb jan jh jul jun kap lt ltd mag max mind min mio mrd mr mrs ms mwst no nov nr okt oct
phil prof resp sec sek sep sept sog st std str tab tel tsd univ usf usw verf vgl vol vs zzgl
"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())


def sentences(text: str) -> list[tuple[str, str]]:
    """Each sentence with the white space before it; joined they are the text, stripped.

    >>> sentences("Das gilt z. B. ab dem 1. Oktober. Siehe Abs. 2! Sonst e.g. nicht.")[1:]
    [(' ', 'Siehe Abs. 2!'), (' ', 'Sonst e.g. nicht.')]
    """
    text = text.strip()
    found: list[tuple[str, str]] = []
    start, gap = 0, ""
    for ending in _ENDING.finditer(text):
        mark = ending.start()
        if _ends(text[max(0, mark - 32) : mark + 1]):
            found.append((gap, text[start : ending.start("gap")]))
            start, gap = ending.end(), ending["gap"]
    if text:
        found.append((gap, text[start:]))
    return found


def _ends(text: str) -> bool:
    word = _LAST_WORD.search(text)
    if not word:
        return True
    return not _NO_END.fullmatch(word[1]) and word[1].casefold() not in _ABBREVIATIONS
