"""Cuts a record into passages that the embedder reads to their end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import takewhile
from typing import Protocol
from urllib.parse import quote

from indexes.heading_path import Place, is_title, place
from indexes.markdown import Heading, Section, sections
from indexes.packing import packed
from indexes.ruler import Ruler
from indexes.units import Frame, Unit, units_of, written
from rag.core.contracts import Embedder
from rag.core.definitions.base import Language
from rag.core.definitions.indexes import Chunking
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
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Sections that are cut together; their one language only where the record names none."""

    sections: tuple[Section, ...]
    language: Language = "de"


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
        own is detected, and sections of two languages are not joined.

        Raises:
            BadInput: the embedder's prefix leaves no room.
        """
        title = " ".join(_readable(record.title).split())
        text = _readable(record.text)
        drafts = self._drafts(title, text, record.language)
        if not drafts:
            drafts = self._drafts(title, title, record.language)
        return [
            _passage(record, ordinal, draft, title=title) for ordinal, draft in enumerate(drafts)
        ]

    @cached_property
    def _ruler(self) -> Ruler:
        limit = min(self._chunking.max_tokens, self._embedder.max_tokens)
        return Ruler(self._embedder.count_tokens, limit)

    def _drafts(self, title: str, text: str, language: str | None) -> list[_Draft]:
        parts = sections(text)
        if language:
            spoken = [_Group(sections=(part,)) for part in parts]
        else:
            usual = self._detect(text)
            spoken = [self._spoken(part, usual) for part in parts]
        groups = self._joined(title, spoken)
        return [draft for group in groups for draft in self._cut(group, title, language)]

    def _cut(self, group: _Group, title: str, language: str | None) -> Iterator[_Draft]:
        spot = place(title, _common(group.sections), self._ruler)
        units = list(self._units(group, spot, title))
        fits = partial(self._fits, spot.path)
        for run in packed(units, self._room(spot), self._ruler, fits):
            text = written(run)
            own = "\n".join([*spot.path[1:], text])
            told = language or self._detect(own, default=group.language)
            yield _Draft(text=text, path=spot.path, anchor=run[0].anchor, language=told)

    def _fits(self, path: Sequence[str], text: str) -> bool:
        return self._ruler.fits(embedded_text(path, text))

    # --- small sections are joined ------------------------------------------------------------

    def _spoken(self, part: Section, usual: Language) -> _Group:
        own = "\n".join([part.path[-1].text if part.path else "", *_texts(part)])
        return _Group(sections=(part,), language=self._detect(own, default=usual))

    def _joined(self, title: str, groups: Sequence[_Group]) -> Iterator[_Group]:
        joined: _Group | None = None
        size = 0
        for group in groups:
            added = self._size(group)
            if joined is None:
                joined, size = group, added
            elif self._belong_together(joined, size, group, added, title):
                both = (*joined.sections, *group.sections)
                joined, size = replace(joined, sections=both), size + added
            else:
                yield joined
                joined, size = group, added
        if joined is not None:
            yield joined

    def _belong_together(
        self, before: _Group, size: int, after: _Group, added: int, title: str
    ) -> bool:
        """Whether one of both is small, and they are near, of one language, and fit a passage."""
        if min(size, added) >= self._chunking.min_tokens or before.language != after.language:
            return False
        if not _are_near(before.sections[-1], after.sections[0]):
            return False
        path = _common([*before.sections, *after.sections])
        return size + added <= self._room(place(title, path, self._ruler))

    def _size(self, group: _Group) -> int:
        texts = [text for section in group.sections for text in _texts(section)]
        return sum(self._ruler.size(text) + self._ruler.gap for text in texts)

    def _room(self, spot: Place) -> int:
        return self._ruler.room - self._ruler.size(embedded_text(spot.path, "")) - self._ruler.gap

    # --- long ones are divided ----------------------------------------------------------------

    def _units(self, group: _Group, spot: Place, title: str) -> Iterator[Unit]:
        room = self._room(spot)
        for section in group.sections:
            anchor = _anchor(section, title)
            for heading in section.new:
                if heading.source and heading not in spot.shown:
                    frame = Frame()
                    for gap, piece in self._ruler.cut(heading.line(), room):
                        yield Unit(text=piece, frame=frame, gap=gap, anchor=anchor, leads=True)
            for block in section.blocks:
                for unit in units_of(block, room, self._ruler):
                    yield replace(unit, anchor=anchor)


def _texts(section: Section) -> list[str]:
    return [*(each.line() for each in section.new), *(each.source for each in section.blocks)]


def _common(group: Sequence[Section]) -> tuple[Heading, ...]:
    steps = zip(*(section.path for section in group), strict=False)
    return tuple(step[0] for step in takewhile(lambda step: len(set(step)) == 1, steps))


def _are_near(before: Section, after: Section) -> bool:
    """Whether they are siblings, or a section and its own first part."""
    shared = len(_common([before, after]))
    return shared >= max(len(before.path), len(after.path)) - 1


def _anchor(section: Section, title: str) -> str:
    """Where a reader finds the section; none at the top of the page."""
    headings = section.path if section.blocks else section.new
    if not headings or (len(headings) == 1 and is_title(headings[0].text, title)):
        return ""
    return headings[-1].anchor


def _passage(record: Record, ordinal: int, draft: _Draft, *, title: str) -> Passage:
    has_place = record.url and draft.anchor and "#" not in record.url
    return Passage(
        record_id=record.id,
        ordinal=ordinal,
        text=draft.text,
        title=title or next(iter(draft.path), ""),
        url=f"{record.url}#{quote(draft.anchor)}" if has_place else record.url,
        heading_path=draft.path,
        language=draft.language,
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
