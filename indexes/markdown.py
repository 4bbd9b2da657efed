"""Reads Markdown into sections and blocks; the only user of markdown_it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

BlockKind = Literal["text", "list", "quote", "table", "code", "lines"]

_KINDS: dict[str, BlockKind] = {
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "blockquote_open": "quote",
    "table_open": "table",
    "fence": "code",
    "code_block": "lines",
    "html_block": "lines",
}
_MARKER = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]{1,4}(?=\S)|[ \t]|$)")
_RULE = re.compile("-{4,}")
_QUOTE = re.compile(r"^ {0,3}> ?")
_OPAQUE = frozenset({"link_open", "image", "html_inline"})
_GIVEN_ANCHOR = re.compile(r"\s*\{:?\s*#([\w.:-]+)\s*\}\s*$")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heading:
    """A heading, compared by identity. `text` is what a reader sees, `source` one Markdown line.

    `anchor` is unique in the page. `is_plain` says that `text` leaves nothing of the source out
    but emphasis: no link, no image.
    """

    level: int
    text: str
    source: str
    anchor: str
    is_plain: bool

    def line(self) -> str:
        """The heading as one line of Markdown."""
        return f"{'#' * self.level} {self.source}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph, list, table … with its source. `lines` are indented code and HTML.

    The source stands as it does in the page, but for the length of a table's rule.
    """

    kind: BlockKind
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under one heading path; `new` are the headings since the section before.

    A heading with nothing under it makes a section without blocks, whose path ends above it.
    """

    path: tuple[Heading, ...]
    new: tuple[Heading, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a list: as it stands, and taken apart into its marker and what it holds."""

    source: str
    marker: str
    inner: str
    is_followed_by_blank: bool


class Anchors:
    """The anchors of one page, made as GitHub and most wikis make them, each once.

    >>> anchors = Anchors()
    >>> [anchors.of(text) for text in ("Drucken & Kopieren", "VPN: Linux", "VPN Linux", "Über uns")]
    ['drucken--kopieren', 'vpn-linux', 'vpn-linux-1', 'über-uns']
    """

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def of(self, text: str) -> str:
        """The anchor of the next heading with this text."""
        plain = _NOT_IN_ANCHOR.sub("", text.strip().lower()).replace(" ", "-")
        anchor = plain
        while anchor in self._used:
            self._used[plain] += 1
            anchor = f"{plain}-{self._used[plain]}"
        return self.take(anchor)

    def take(self, anchor: str) -> str:
        """Note an anchor that the page itself gives."""
        self._used.setdefault(anchor, 0)
        return anchor


def sections(text: str) -> list[Section]:
    """The page in reading order: every heading is `new` once, every block stands in one section.

    Rules across the page are left out.
    """
    found: list[Section] = []
    path: tuple[Heading, ...] = ()
    new: list[Heading] = []
    blocks: list[Block] = []

    def close() -> None:
        if blocks or new:
            # A heading with nothing under it stands in the section above, where it is a line.
            here = path if blocks else path[:-1]
            found.append(Section(path=here, new=tuple(new), blocks=tuple(blocks)))
            new.clear()
            blocks.clear()

    for part in _parts(text):
        if isinstance(part, Block):
            blocks.append(part)
            continue
        if blocks or (new and new[-1].level >= part.level):
            close()
        path = (*(each for each in path if each.level < part.level), part)
        new.append(part)
    close()
    return found


def blocks(text: str) -> list[Block]:
    """What a list item or a quote holds; a heading in there is a block like others."""
    return [
        part if isinstance(part, Block) else Block(kind="text", source=part.line())
        for part in _parts(text)
    ]


def items(source: str) -> list[Item]:
    """The items of a list block, in order; their sources joined by their gaps are the block's."""
    lines = source.split("\n")
    starts = [
        token.map[0]
        for token in _parser().parse(source)
        if token.type == "list_item_open" and token.level == 1 and token.map
    ]
    cuts = [0, *starts[1:], len(lines)]
    return [_item(lines[start:end]) for start, end in pairwise(cuts)]


def _item(lines: list[str]) -> Item:
    marker = _MARKER.match(lines[0])
    width = marker.end() if marker else 0
    inner = [lines[0][width:], *(_outdented(line, width) for line in lines[1:])]
    return Item(
        source="\n".join(lines).rstrip(),
        marker=marker[0].strip() if marker else "",
        inner="\n".join(inner).rstrip(),
        is_followed_by_blank=not lines[-1].strip(),
    )


def _outdented(line: str, width: int) -> str:
    body = line.lstrip(" \t")
    indent = len(line[: len(line) - len(body)].expandtabs(4))
    return " " * max(0, indent - width) + body


def unquoted(source: str) -> str:
    """What a block quote holds."""
    return "\n".join(_QUOTE.sub("", line) for line in source.split("\n"))


def _parts(text: str) -> Iterator[Block | Heading]:
    lines = text.split("\n")
    tokens = _parser().parse(text)
    tops = [
        (place, token.map[0])
        for place, token in enumerate(tokens)
        if token.level == 0 and token.map and token.nesting >= 0
    ]
    anchors = Anchors()
    for (place, start), (_, end) in pairwise([*tops, (len(tokens), len(lines))]):
        token = tokens[place]
        if token.type == "heading_open":
            yield _heading(int(token.tag[1:]), tokens[place + 1].content, anchors)
        elif token.type != "hr":
            kind = _KINDS.get(token.type, "text")
            yield Block(kind=kind, source=_source(kind, lines[start:end]))


def _source(kind: BlockKind, lines: list[str]) -> str:
    if kind == "table":
        # Many tokenizers count every dash: a wide table's rule alone can fill a passage.
        lines[1] = _RULE.sub("---", lines[1])
    return "\n".join(lines).rstrip()


def _heading(level: int, content: str, anchors: Anchors) -> Heading:
    source = " ".join(content.split())
    given = _GIVEN_ANCHOR.search(source)
    source = source[: given.start()] if given else source
    inline = _inline_parser().parseInline(source)[0].children or []
    text = " ".join("".join(_seen(token) for token in inline).split())
    return Heading(
        level=level,
        text=text,
        source=source,
        anchor=anchors.take(given[1]) if given else anchors.of(text),
        is_plain=not any(token.type in _OPAQUE for token in inline),
    )


def _seen(token: Token) -> str:
    return " " if token.type in ("softbreak", "hardbreak") else token.content


@cache
def _parser() -> MarkdownIt:
    # Inline markup is parsed for headings alone, which saves half of the time. Without the rule
    # for reference definitions these are paragraphs, and no line is left out.
    return MarkdownIt("commonmark").enable("table").disable(["inline", "reference"])


@cache
def _inline_parser() -> MarkdownIt:
    return MarkdownIt("commonmark")
