"""Random Markdown pages whose parts are known, for tests of what is cut from them."""

from dataclasses import dataclass

from hypothesis import strategies as st

_TEXT = """
Konto VPN eduroam drucken z. B. ca. Nr. 5 the mailbox is full. Dr. Weiß e.g. Öffnungszeiten
und Straße https://example.org/a_b?c=d `code` **fett** Ende! Why? (ja) 1. Oktober … a
"""
WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One block or heading as it stands in the page, and the lines that must stay whole."""

    kind: str
    source: str
    lines: tuple[str, ...] = ()
    head: str = ""


def _words(most: int) -> st.SearchStrategy[str]:
    # The first word keeps a paragraph from being read as something else.
    return st.lists(st.sampled_from(WORDS), max_size=most).map(
        lambda words: " ".join(("Wort", *words))
    )


def _headings() -> st.SearchStrategy[Part]:
    return st.builds(
        lambda level, text: Part(kind="heading", source=f"{'#' * level} {text}"),
        st.integers(1, 4),
        _words(5),
    )


def _paragraphs() -> st.SearchStrategy[Part]:
    lines = st.lists(_words(60), min_size=1, max_size=4)
    return lines.map(lambda each: Part(kind="text", source="\n".join(each)))


def _lists() -> st.SearchStrategy[Part]:
    items = st.lists(
        st.tuples(_words(30), st.lists(_words(30), max_size=3)), min_size=1, max_size=6
    )

    def build(items: list[tuple[str, list[str]]], mark: str, gap: str) -> Part:
        indent = " " * (len(mark) + 1)
        texts = [
            "\n".join([f"{mark} {text}", *(f"{indent}* {inner}" for inner in nested)])
            for text, nested in items
        ]
        return Part(kind="list", source=gap.join(texts))

    return st.builds(
        build, items, st.sampled_from(("-", "1.", "12)")), st.sampled_from(("\n", "\n\n"))
    )


def _tables() -> st.SearchStrategy[Part]:
    rows = st.lists(st.lists(_words(4), min_size=3, max_size=3), min_size=1, max_size=30)

    def build(rows: list[list[str]]) -> Part:
        head = "| Gerät | Ort | Preis |\n|---|:-:|---|"
        lines = tuple(f"| {' | '.join(row)} |" for row in rows)
        return Part(kind="table", source="\n".join((head, *lines)), lines=lines, head=head)

    return rows.map(build)


def _code() -> st.SearchStrategy[Part]:
    line = st.builds(lambda indent, text: " " * indent + text, st.integers(0, 9), _words(9))
    body = st.lists(line | st.just(""), min_size=1, max_size=40)

    def build(lines: list[str], fence: str) -> Part:
        source = "\n".join((f"{fence}bash", *lines, fence))
        return Part(
            kind="code", source=source, lines=tuple(filter(None, lines)), head=f"{fence}bash"
        )

    return st.builds(build, body, st.sampled_from(("```", "~~~~")))


def _quotes() -> st.SearchStrategy[Part]:
    def build(inner: list[Part]) -> Part:
        text = "\n\n".join(part.source for part in inner)
        lines = tuple(f"> {line}" for line in text.split("\n"))
        return Part(kind="quote", source="\n".join(lines))

    return st.lists(_paragraphs() | _lists() | _code(), min_size=1, max_size=3).map(build)


def pages() -> st.SearchStrategy[list[Part]]:
    """Up to a dozen parts, each of which a blank line divides from the next."""
    part = _headings() | _paragraphs() | _lists() | _tables() | _code() | _quotes()
    return st.lists(part, max_size=12)


def page_of(parts: list[Part]) -> str:
    """The page's Markdown."""
    # A comment keeps two lists from being one.
    return "\n\n".join(part.source for part in parts)
