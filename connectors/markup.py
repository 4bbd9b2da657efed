"""HTML on its way to Markdown: what must be said before partitioning, and tables after it.

Partitioning drops links, list numbers and code spans, and whole blocks that pages hide questions
and answers in (`details`, `figure`, `form`). All of them are written into the text first; what a
browser would not show is taken out.
"""

import re
from collections.abc import Sequence

from bs4 import BeautifulSoup, Tag

from rag.core.errors import BadDocument

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_DECLARATION = re.compile(r"<\?xml[^>]{0,300}\?>")
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|mailto:)\S+", re.IGNORECASE)
_MAX_DEPTH = 200
_BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "ul", "ol", "table", "pre"]
_SPOKEN = {
    "details": "div",
    "figure": "div",
    "form": "div",
    "fieldset": "div",
    "summary": "p",
    "figcaption": "p",
    "legend": "p",
    "label": "span",
}


def declared_encoding(data: bytes) -> str:
    """The encoding that the document's own `meta` names, or nothing."""
    found = _CHARSET.search(data[:4096])
    return found[1].decode("ascii") if found else ""


def spoken(html: str) -> tuple[str, str]:
    """The HTML with everything said in its text that partitioning would drop, and its title."""
    soup = BeautifulSoup("<!DOCTYPE html>" + _DECLARATION.sub("", html), "lxml")
    _check_depth(soup)
    if not soup.get_text(strip=True):
        return "", ""
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup.find_all(_is_invisible):
        tag.extract()
    for tag in soup.find_all(list(_SPOKEN)):
        tag.name = _SPOKEN[tag.name]
    for item in soup.find_all("li"):
        _keep_together(item)
    for ordered in soup.find_all("ol"):
        _say_numbers(ordered)
    for code in soup.find_all("code"):
        text = code.get_text().strip()
        if text and not code.find_parent("pre"):
            code.string = f"`{text}`"
    for link in soup.find_all("a"):
        _say_link(link)
    return str(soup), title


def pipe_table(html: str) -> str:
    """A table as Markdown; one of a single column, which only lays a page out, as paragraphs."""
    rows = [
        [_cell(cell) for cell in row.find_all(["th", "td"])]
        for row in BeautifulSoup(html, "lxml").find_all("tr")
    ]
    rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    if width < 2:  # noqa: PLR2004 - a table begins at two columns
        return "\n\n".join(row[0] for row in rows)
    head, *body = (_line(row + [""] * (width - len(row))) for row in rows)
    return "\n".join([head, _line(["---"] * width), *body])


def _is_invisible(tag: Tag) -> bool:
    if tag.has_attr("hidden"):
        return True
    return _INVISIBLE.search(str(tag.get("style", ""))) is not None


def _check_depth(soup: BeautifulSoup) -> None:
    """Refuse what is nested beyond any page that people write: time would grow with its square."""
    depths = {id(soup): 0}
    for tag in soup.descendants:
        if not isinstance(tag, Tag):
            continue
        depths[id(tag)] = depths[id(tag.parent)] + 1
        if depths[id(tag)] > _MAX_DEPTH:
            raise BadDocument("The HTML is nested too deeply.", mend="Export it again.")


def _keep_together(item: Tag) -> None:
    """Make the paragraphs of a list item a part of its text."""
    for paragraph in item.find_all("p", recursive=False):
        paragraph.insert_before(" ")
        paragraph.unwrap()


def _say_numbers(ordered: Tag) -> None:
    start = str(ordered.get("start", "1"))
    first = int(start) if re.fullmatch(r"\d{1,6}", start) else 1
    for number, item in enumerate(ordered.find_all("li", recursive=False), first):
        item.insert(0, f"{number}. ")


def _say_link(link: Tag) -> None:
    if link.find(_BLOCKS):
        # A whole card is the link: its headings and paragraphs are worth more than its target.
        link.name, link.attrs = "div", {}
        return
    target = str(link.get("href", "")).strip()
    text = " ".join(link.get_text().split())
    if _LINK.fullmatch(target) and text and text not in {target, target.removeprefix("mailto:")}:
        link.string = f"[{text}]({target})"
    link.name, link.attrs = "span", {}


def _cell(cell: Tag) -> str:
    return " ".join(cell.get_text(" ").split()).replace("|", "\\|")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
