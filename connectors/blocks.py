"""Elements of a partitioned document → Markdown blocks."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from connectors.markdown import escaped
from connectors.markup import pipe_table

_NUMBERED = re.compile(r"\d{1,6}[.)]\s")
_RUN_OF_TICKS = re.compile(r"`{3,}")
_NOT_TEXT = frozenset({"Header", "Footer", "PageBreak", "PageNumber", "Image"})


class Element(Protocol):
    """What partitioning gives: a category, the text, and depth, links and table in its metadata."""

    @property
    def category(self) -> str:
        """Title, ListItem, Table, CodeSnippet, or a kind of paragraph."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def metadata(self) -> Any:
        """Attributes that differ by category."""


def to_markdown(elements: Iterable[Element], *, top: int) -> str:
    """The elements in their order. `top` is the depth that the format gives to an outer list item.

    Running heads, page numbers and pictures are no text of the document.
    """
    parts: list[str] = []
    before = ""
    for element in elements:
        if element.category in _NOT_TEXT or not element.text.strip():
            continue
        within_list = element.category == before == "ListItem"
        parts += ["\n" if within_list else "\n\n", _block(element, top)]
        before = element.category
    return "".join(parts).strip()


def _block(element: Element, top: int) -> str:
    depth = element.metadata.category_depth or 0
    match element.category:
        case "Title":
            return f"{'#' * min(depth + 1, 6)} {_one_line(element.text)}"
        case "ListItem":
            text = _one_line(_linked(element))
            indent = "    " * max(depth - top, 0)
            return f"{indent}{'' if _NUMBERED.match(text) else '- '}{text}"
        case "Table":
            return pipe_table(element.metadata.text_as_html or "") or element.text
        case "CodeSnippet":
            return _fenced(element.text)
        case _:
            return "\n".join(escaped(line) for line in _linked(element).splitlines())


def _linked(element: Element) -> str:
    """The text with the links that the element carries apart from it."""
    text = element.text
    links: Sequence[Mapping[str, Any]] = element.metadata.links or ()
    for link in sorted(links, key=lambda each: -int(each["start_index"])):
        words, target = str(link["text"] or ""), str(link["url"] or "")
        place = text.find(words, int(link["start_index"]))
        if words and place >= 0 and target.startswith(("http://", "https://", "mailto:")):
            text = f"{text[:place]}[{words}]({target}){text[place + len(words) :]}"
    return text


def _fenced(code: str) -> str:
    longest = max((len(run) for run in _RUN_OF_TICKS.findall(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code.rstrip()}\n{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
