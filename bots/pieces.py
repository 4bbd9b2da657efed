"""Cuts a passage's Markdown into the smallest pieces that can be quoted by themselves."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

PieceKind = Literal["sentence", "list", "row", "code"]

_HEADING = re.compile(r"#{1,6}(\s|$)")
_UNDERLINE = re.compile(r"(=+|-+)\s*$")
_RULE = re.compile(r"([-*_])(\s*\1){2,}\s*$|<!--.*-->\s*$|!\[[^\]]*\]\([^)]*\)\s*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+\S")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_DELIMITER = re.compile(r"\s*\|?(\s*:?-{2,}:?\s*\|)*\s*:?-{2,}:?\s*\|?\s*$")
_CODE_SPAN = re.compile(r"(`+)[^`].*?\1")
_ENDING = re.compile(r"[.!?…]+[\"'“”«»)\]*_]*\s+(?=[\"'„“»«(\[*_`]*[A-ZÄÖÜ0-9„`])")
_LAST_WORD = re.compile(r"([\w.-]+)\.$")
_ORDINAL = re.compile(r"\d{1,2}")
_ABBREVIATED = """
abb abs abschn allg approx art bd bes betr bspw bzgl bzw ca co dept dez dgl dipl dr ebd
eig einschl etc evtl exkl feb ff fig frz geb gem ggf hrsg inc incl ing inkl jan jh jr kap lt
ltd max min mio mr mrs ms mrd mwst nov nr okt phil pp prof resp sek sep sept sog st std str
tab tel univ usw verf vgl vol vs zb zzgl
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_WHOLE_ITEMS = 10
_WHOLE_CHARS = 1_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text as it stands in the passage. `lead` introduces it: a colon's line or a table's head."""

    kind: PieceKind
    text: str
    lead: str = ""

    def whole(self) -> str:
        """The text behind its lead."""
        gap = "\n" if self.kind == "row" else "\n\n"
        return f"{self.lead}{gap}{self.text}" if self.lead else self.text


def pieces(markdown: str) -> list[Piece]:
    """Sentences, lists, table rows and blocks of code, in order; headings and rules are left out.

    A list of up to ten items stays whole, because a step alone helps nobody.
    """
    cut = [piece for block in _blocks(markdown.expandtabs(4).splitlines()) for piece in block]
    return list(_led(cut))


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; those behind an abbreviation or an ordinal stay joined.

    >>> sentences("Das gilt z. B. ab dem 1. Oktober. Siehe Abs. 2! Version 2.1 von a.example.")
    ['Das gilt z. B. ab dem 1. Oktober.', 'Siehe Abs. 2!', 'Version 2.1 von a.example.']
    """
    masked = _CODE_SPAN.sub(lambda found: "x" * len(found.group()), text)
    ends = [found.end() for found in _ENDING.finditer(masked) if _ends(masked[: found.start() + 1])]
    cuts = pairwise([0, *ends, len(text)])
    return [sentence for start, end in cuts if (sentence := text[start:end].strip())]


def _ends(text: str) -> bool:
    """Whether the mark at the end of the text ends a sentence."""
    found = _LAST_WORD.search(text)
    if not found:
        return True
    word = found.group(1).rpartition(".")[2].casefold()
    return not (len(word) == 1 or _ORDINAL.fullmatch(word) or word in _ABBREVIATIONS)


def _blocks(lines: list[str]) -> Iterator[list[Piece]]:
    place = 0
    while place < len(lines):
        line = lines[place]
        if not line.strip() or _HEADING.match(line.strip()) or _RULE.match(line.strip()):
            place += 1
            continue
        end = _block_end(lines, place)
        yield _block(lines[place:end])
        place = end


def _block_end(lines: list[str], start: int) -> int:
    line = lines[start]
    if fence := _FENCE.match(line):
        return _fence_end(lines, start, fence.group(1))
    if _is_row(line):
        return _while(lines, start, _is_row)
    if _ITEM.match(line):
        return _list_end(lines, start)
    if line.startswith("    "):
        return _while(lines, start, lambda each: each.startswith("    ") or not each.strip())
    end = _while(lines, start, _is_prose)
    underlined = end < len(lines) and _UNDERLINE.match(lines[end])
    return end + 1 if underlined else end


def _while(lines: list[str], start: int, belongs: Callable[[str], bool]) -> int:
    end = start + 1
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _fence_end(lines: list[str], start: int, fence: str) -> int:
    for end in range(start + 1, len(lines)):
        closing = lines[end].strip()
        if len(closing) >= len(fence) and not closing.strip(fence[0]):
            return end + 1
    return len(lines)


def _list_end(lines: list[str], start: int) -> int:
    """A list goes on over items, indented lines, and single blank lines between them."""
    end = start + 1
    while end < len(lines):
        line = lines[end]
        blank = not line.strip()
        follows = lines[end + 1] if blank and end + 1 < len(lines) else line
        if blank and not (_ITEM.match(follows) or follows.startswith("  ")):
            break
        if not blank and not (_ITEM.match(line) or line.startswith("  ") or _is_prose(line)):
            break
        end += 1
    return end


def _is_row(line: str) -> bool:
    return line.lstrip().startswith("|") or line.count("|") >= 2  # noqa: PLR2004 -- two cells


def _is_prose(line: str) -> bool:
    special = _HEADING, _RULE, _ITEM, _FENCE
    return bool(line.strip()) and not any(each.match(line) for each in special)


def _block(lines: list[str]) -> list[Piece]:
    first = lines[0]
    if _FENCE.match(first):
        return [Piece(kind="code", text="\n".join(lines))]
    if _is_row(first):
        return _rows(lines)
    if _ITEM.match(first):
        return _items(lines)
    if first.startswith("    "):
        code = "\n".join(line[4:] for line in lines).rstrip()
        return [Piece(kind="code", text=f"```\n{code}\n```")]
    if _UNDERLINE.match(lines[-1]) and len(lines) > 1:
        return []
    text = " ".join(line.lstrip("> ").strip() for line in lines)
    return [Piece(kind="sentence", text=each) for each in sentences(text)]


def _rows(lines: list[str]) -> list[Piece]:
    head = "\n".join(lines[:2]) if len(lines) > 1 and _DELIMITER.match(lines[1]) else ""
    body = lines[2:] if head else lines
    return [Piece(kind="row", text=row, lead=head) for row in body]


def _items(lines: list[str]) -> list[Piece]:
    items: list[list[str]] = []
    for line in lines:
        if not items or (_ITEM.match(line) and not line.startswith("  ")):
            items.append([])
        items[-1].append(line)
    texts = ["\n".join(item).rstrip() for item in items]
    whole = "\n".join(texts)
    if len(texts) <= _WHOLE_ITEMS and len(whole) <= _WHOLE_CHARS:
        return [Piece(kind="list", text=whole)]
    return [Piece(kind="list", text=text) for text in texts]


def _led(cut: list[Piece]) -> Iterator[Piece]:
    """A sentence that ends with a colon goes before what it introduces."""
    waiting: Piece | None = None
    for piece in cut:
        led = waiting and piece.kind in ("list", "code")
        if waiting and led:
            yield replace(piece, lead=waiting.text)
        elif waiting:
            yield waiting
        introduces = piece.kind == "sentence" and piece.text.endswith(":")
        waiting = piece if introduces else None
        if not led and not introduces:
            yield piece
    if waiting:
        yield waiting
