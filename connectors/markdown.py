r"""Markdown as authors write it: front matter, title, and what a reader never sees.

The text stays the author's own. Partitioning it would lose what chunking and quoting need: the
language of code fences, heading levels, links, numbers of list items, the alignment of tables.
"""

import re
from collections.abc import Mapping

from rag.core.errors import BadDocument

FrontMatter = Mapping[str, str | tuple[str, ...]]

_BLOCK = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_PAIR = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*:(?:[ \t]+(.*))?")
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)")
_FOLDED = re.compile(r"[|>][+-]?")
_FENCE = r"^[ \t>]*(?P<fence>`{3,}+|~{3,}+)[^\n]*\n(?:.*?^[ \t>]*(?P=fence)[`~]*[ \t]*$|.*\Z)"
_SHOWN = rf"(?P<shown>{_FENCE}|(?<!`)(?P<tick>`++)[^`\n][^\n]*?(?P=tick)(?!`))"
_HIDDEN = r"<!--.*?(?:-->|\Z)|<(?P<tag>script|style)\b.*?(?:</(?P=tag)\s*>|\Z)"
_SHOWN_OR_HIDDEN = re.compile(f"{_SHOWN}|{_HIDDEN}", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_ATX = r"^ {0,3}#[ \t]+(?P<atx>[^\n]{1,500})"
_SETEXT = r"^ {0,3}(?P<setext>[^\s#>-][^\n]{0,500})\n {0,3}=+[ \t]*$"
_HEADING = re.compile(f"{_FENCE}|{_ATX}|{_SETEXT}", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[ \t]#+[ \t]*$|\{[#.:][^}]*\}|[*`]+")


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    r"""The keys of the leading block between two `---` lines, and the text after it.

    Only texts and lists of texts at the top are taken. It is not YAML: authors write
    `title: VPN: Linux`, which YAML refuses, and `language: no`, which it takes for a truth value.

    >>> split_front_matter("---\ntitle: VPN: Linux\ntags: [a, b]\n---\n# VPN\n")
    ({'title': 'VPN: Linux', 'tags': ('a', 'b')}, '# VPN\n')

    Raises:
        BadDocument: the block begins as front matter, but a line of it is none.
    """
    block = _BLOCK.match(text)
    if block is None:
        return {}, text
    lines = block[1].splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), None)
    if first is not None and not _PAIR.fullmatch(first):
        return {}, text
    return _pairs(lines), text[block.end() :]


def without_hidden(text: str) -> str:
    """The text without comments, scripts and styles, which a rendered page does not show.

    What stands in a code block or a code span is shown, and stays.
    """
    return _SHOWN_OR_HIDDEN.sub(lambda found: found["shown"] or "", text)


def first_heading(text: str) -> str:
    r"""The first heading of level 1 as plain text, or nothing.

    >>> first_heading("```sh\n# no\n```\n# `VPN` with [eduVPN](https://x.example) {#top}\n")
    'VPN with eduVPN'
    """
    for found in _HEADING.finditer(text):
        heading = found["atx"] or found["setext"]
        if heading:
            return _INLINE.sub(lambda part: part[1] or "", heading).strip()
    return ""


def escaped(line: str) -> str:
    r"""A line of plain text that Markdown will not take for a heading, a fence or a quotation.

    >>> escaped("# 1 of 3"), escaped("C# in two days")
    ('\\# 1 of 3', 'C# in two days')
    """
    bare = line.lstrip()
    if re.match(r"#{1,6}(\s|$)|`{3}|~{3}|>|\||={3,}\s*$|-{3,}\s*$", bare):
        return line[: len(line) - len(bare)] + "\\" + bare
    return line


def _pairs(lines: list[str]) -> FrontMatter:
    pairs: dict[str, str | tuple[str, ...]] = {}
    key = ""
    for number, line in enumerate(lines, 2):
        if not line.strip() or line.startswith("#"):
            continue
        if pair := _PAIR.fullmatch(line):
            key = pair[1]
            pairs[key] = _value(pair[2] or "")
        elif key and (line[0] in " \t" or line.startswith("- ")):
            pairs[key] = _continued(pairs[key], line)
        else:
            raise BadDocument(
                f"Line {number} of the front matter is no “key: value”.", mend="Mend the line."
            )
    return pairs


def _value(text: str) -> str | tuple[str, ...]:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return tuple(_unquoted(each) for each in text[1:-1].split(",") if each.strip())
    return "" if _FOLDED.fullmatch(text) else _unquoted(text)


def _continued(value: str | tuple[str, ...], line: str) -> str | tuple[str, ...]:
    """A list grows by an item, a text by a line."""
    item = _ITEM.fullmatch(line)
    if item and (isinstance(value, tuple) or not value):
        return (*value, _unquoted(item[1]))
    return value if isinstance(value, tuple) else f"{value} {line.strip()}".strip()


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
