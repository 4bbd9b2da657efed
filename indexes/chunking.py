"""Cuts a record into passages that the embedder reads to their end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import repeat, takewhile
from typing import Protocol
from urllib.parse import quote

from indexes.heading_path import Place, is_title, place
from indexes.markdown import Heading, Section, sections
from indexes.packing import packed
from indexes.ruler import Ruler
from indexes.units import Frame, Unit, units_of, written
from rag.core.contracts import Embedder
from rag.core.definitions import Chunking, Language
from rag.core.records import Passage, Record, embedded_text


class Detect(Protocol):
    """Tells German from English."""

    def __call__(self, text: str, *, default: Language = "de") -> Language:
        """The language of the text, or the default where it can't be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    text: str
    path: tuple[str, ...]
    anchor: str


class Chunker:
    """Cuts along headings, then blocks, then rows, lines, items and sentences; the same every time.

    A passage holds at most `max_tokens` of the embedder's tokens, or as many as the model reads,
    heading path included. Nothing of the text is lost: a heading stands in the heading path of the
    passages under it, or as a line in the text. Rows of a table are divided under a repeated
    head, lines of code inside a repeated fence. Only a row, line or sentence that is too long by
    itself is cut inside, between words.
    """

    def __init__(self, chunking: Chunking, embedder: Embedder, detect: Detect) -> None:
        self._chunking = chunking
        self._embedder = embedder
        self._detect = detect

    def __call__(self, record: Record) -> list[Passage]:
        """The record's passages in reading order; none for one with neither text nor title.

        A record without text gives its title. Where the record names no language, each passage's
        own is detected.

        Raises:
            BadInput: the embedder's prefix leaves no room.
        """
        title = " ".join(_readable(record.title).split())
        text = _readable(record.text)
        drafts = list(self._drafts(title, text)) or list(self._drafts(title, title))
        languages = self._languages(record, text, drafts)
        return [
            _passage(record, ordinal, draft, title=title, language=language)
            for ordinal, (draft, language) in enumerate(zip(drafts, languages, strict=True))
        ]

    @cached_property
    def _ruler(self) -> Ruler:
        limit = min(self._chunking.max_tokens, self._embedder.max_tokens)
        return Ruler(self._embedder.count_tokens, limit)

    def _drafts(self, title: str, text: str) -> Iterator[_Draft]:
        for group in self._grouped(title, sections(text)):
            spot = place(title, _common(group), self._ruler)
            units = list(self._units(group, spot, title))
            fits = partial(self._fits, spot.path)
            for run in packed(units, self._room(spot), self._ruler, fits):
                yield _Draft(text=written(run), path=spot.path, anchor=run[0].anchor)

    def _fits(self, path: Sequence[str], text: str) -> bool:
        return self._ruler.fits(embedded_text(path, text))

    # --- small sections are joined ------------------------------------------------------------

    def _grouped(self, title: str, parts: Sequence[Section]) -> Iterator[list[Section]]:
        group: list[Section] = []
        size = 0
        for part in parts:
            added = self._section_size(part)
            if group and not (
                _are_near(group[-1], part)
                and min(size, added) < self._chunking.min_tokens
                and size + added <= self._room(place(title, _common([*group, part]), self._ruler))
            ):
                yield group
                group, size = [], 0
            group.append(part)
            size += added
        if group:
            yield group

    def _section_size(self, section: Section) -> int:
        texts = [*(h.line() for h in section.new), *(b.source for b in section.blocks)]
        return sum(self._ruler.size(text) + self._ruler.gap for text in texts)

    def _room(self, spot: Place) -> int:
        return self._ruler.room - self._ruler.size(embedded_text(spot.path, "")) - self._ruler.gap

    # --- long ones are divided ----------------------------------------------------------------

    def _units(self, group: Sequence[Section], spot: Place, title: str) -> Iterator[Unit]:
        room = self._room(spot)
        for section in group:
            anchor = _anchor(section, title)
            for heading in section.new:
                if heading.source and heading not in spot.shown:
                    frame = Frame()
                    for gap, piece in self._ruler.cut(heading.line(), room):
                        yield Unit(text=piece, frame=frame, gap=gap, anchor=anchor, leads=True)
            for block in section.blocks:
                for unit in units_of(block, room, self._ruler):
                    yield replace(unit, anchor=anchor)

    def _languages(self, record: Record, text: str, drafts: Sequence[_Draft]) -> Iterator[str]:
        if record.language:
            yield from repeat(record.language, len(drafts))
            return
        usual = self._detect(text)
        for draft in drafts:
            own = "\n".join([*draft.path[1:], draft.text])
            yield self._detect(own, default=usual)


def _common(group: Sequence[Section]) -> tuple[Heading, ...]:
    steps = zip(*(section.path for section in group), strict=False)
    return tuple(step[0] for step in takewhile(lambda step: len(set(step)) == 1, steps))


def _are_near(before: Section, after: Section) -> bool:
    """Whether they are siblings, or a section and its own first part."""
    shared = len(_common([before, after]))
    return shared >= max(len(before.path), len(after.path)) - 1


def _anchor(section: Section, title: str) -> str:
    """Where a reader finds the section; none at the top of the page."""
    headings = section.path or section.new
    if not headings or (len(headings) == 1 and is_title(headings[0].text, title)):
        return ""
    return headings[-1].anchor


def _passage(record: Record, ordinal: int, draft: _Draft, *, title: str, language: str) -> Passage:
    has_place = record.url and draft.anchor and "#" not in record.url
    return Passage(
        record_id=record.id,
        ordinal=ordinal,
        text=draft.text,
        title=title or next(iter(draft.path), ""),
        url=f"{record.url}#{quote(draft.anchor)}" if has_place else record.url,
        heading_path=draft.path,
        language=language,
        kind=record.kind,
        source=record.source,
        labels=record.labels,
        updated_at=record.updated_at,
        facets=record.facets,
    )


def _readable(text: str) -> str:
    """The text with one kind of line end, and without what no tokenizer or engine takes."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return lines.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
