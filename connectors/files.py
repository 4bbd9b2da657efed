"""A folder of documents: a wiki's export, a share, a checkout."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from connectors.cursors import Cursor, definition_mark
from connectors.disk import fingerprint, listed, read_whole
from connectors.facets import facet_from_texts
from connectors.labelling import labels_of, language_of, matches
from connectors.markdown import FrontMatter
from connectors.parse import SUFFIXES, Document, parse
from connectors.values import checked_key, clean, moment
from rag.core.definitions.sources import FilesSource
from rag.core.errors import BadDocument, BadInput, RetryLater
from rag.core.records import Change, Checkpoint, FacetValue, Record, Unreadable, Upsert

CHECKPOINT_EVERY = 500
_CHECKPOINTS = 20
_OTHER_DOCUMENTS = (
    *(".doc", ".odt", ".rtf", ".pages", ".tex", ".rst", ".adoc", ".org", ".epub"),
    *(".ppt", ".pptx", ".odp", ".xls", ".xlsx", ".ods"),
)


class FilesConnector:
    """Yields new and changed files; an unchanged one is not even opened.

    A key is the POSIX path below the folder. Without `include`, every document is read: of a format
    that cannot be, it is reported; pictures and other files that are no documents are passed over.
    """

    def __init__(self, name: str, definition: FilesSource) -> None:
        self._name = name
        self._definition = definition
        self._root = definition.path
        self._mark = definition_mark(definition)

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    def keys(self) -> Iterator[str]:
        """The paths of all documents, sorted, without opening one.

        Raises:
            RetryLater: a folder can't be listed.
        """
        return (key for key in self._listing(known=True) if _is_key(key))

    def changes(self, since: str | None) -> Iterator[Change]:
        """Upserts in the order of paths. A file that could not be read is tried again next time.

        Raises:
            BadInput: the folder is not there.
            RetryLater: it was there and is gone, or the disk failed.
        """
        marks = dict(Cursor.load(since, self._mark).files)
        listing = self._listing(known=bool(marks))
        step = max(CHECKPOINT_EVERY, len(listing) // _CHECKPOINTS)
        for number, key in enumerate(listing, 1):
            yield from self._visit(key, marks)
            if number % step == 0 and number < len(listing):
                yield self._checkpoint(marks)
        self._require_folder(known=True)
        yield self._checkpoint({key: marks[key] for key in listing if key in marks})

    def _checkpoint(self, marks: Mapping[str, str]) -> Checkpoint:
        return Checkpoint(cursor=Cursor(definition=self._mark, files=marks).dump())

    def _listing(self, *, known: bool) -> list[str]:
        self._require_folder(known=known)
        patterns = self._definition.include
        hidden = any("/." in f"/{pattern}" for pattern in patterns)
        return [key for key in listed(self._root, hidden=hidden) if self._wanted(key)]

    def _require_folder(self, *, known: bool) -> None:
        if os.path.isdir(self._root):  # noqa: PTH112 - no error of the disk escapes from this one
            return
        if known:
            raise RetryLater(
                f"The folder {self._root} of source “{self._name}” is gone.",
                mend="Check that it is mounted.",
            )
        raise BadInput(f"Source “{self._name}”: {self._root} is not a folder.", mend="Mend `path`.")

    def _wanted(self, key: str) -> bool:
        if any(matches(pattern, key) for pattern in self._definition.exclude):
            return False
        if self._definition.include:
            return any(matches(pattern, key) for pattern in self._definition.include)
        suffix = PurePosixPath(key).suffix.lower()
        return suffix in SUFFIXES or suffix in _OTHER_DOCUMENTS

    def _visit(self, key: str, marks: dict[str, str]) -> Iterator[Change]:
        """Yield the file's change, if any, and remember its fingerprint in `marks`."""
        if not _is_key(key):
            yield Unreadable(key=None, stage="list", reason=f"{key!r} is no name that can be kept.")
            return
        path = self._root / key
        stage = "read"
        try:
            mark = fingerprint(path)
            if marks.get(key) == mark:
                return
            marks.pop(key, None)
            definition = self._definition
            data = read_whole(path, max_bytes=definition.max_bytes, within=self._root)
            stage = "parse"
            record = self._record(key, parse(data, path.suffix), path)
        except FileNotFoundError:
            self._require_folder(known=True)
            return
        except BadDocument as error:
            yield Unreadable(key=key, stage=stage, reason=str(error))
            return
        yield Upsert(record=record)
        marks[key] = mark

    def _record(self, key: str, document: Document, path: Path) -> Record:
        definition, about = self._definition, document.front_matter
        updated = _text(about, "updated") or _text(about, "updated_at")
        return Record(
            source=self._name,
            key=key,
            kind=definition.record_kind,
            text=document.text,
            title=clean(_text(about, "title")) or document.title or path.stem,
            url=_filled(definition.url, key),
            labels=labels_of(key, definition.labels),
            language=language_of(key, definition.languages) or _language(about),
            updated_at=moment(updated) if updated else _modified(path),
            facets=self._facets(about),
        )

    def _facets(self, about: FrontMatter) -> dict[str, FacetValue]:
        found: dict[str, FacetValue] = {}
        for name, facet in self._definition.facets.items():
            given = about.get(name, ())
            texts = [given] if isinstance(given, str) else list(given)
            value = facet_from_texts(name, facet, [text for text in texts if text])
            if value is not None:
                found[name] = value
        return found


def _is_key(key: str) -> bool:
    """Whether the path can be a key: file systems allow line ends and broken encodings in names."""
    try:
        checked_key(key)
    except BadDocument:
        return False
    return True


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except (OSError, OverflowError, ValueError):
        return None


def _text(about: FrontMatter, name: str) -> str:
    value = about.get(name, "")
    if not isinstance(value, str):
        raise BadDocument(f"The front matter's {name} is a list.", mend="Write one text.")
    return value


def _language(about: FrontMatter) -> str | None:
    """German or English, also with a region; the index detects what is none of both."""
    primary = _text(about, "language").lower().replace("_", "-").split("-")[0]
    return primary if primary in {"de", "en"} else None


def _filled(template: str, key: str) -> str:
    path = PurePosixPath(key)
    values = {"{path}": key, "{name}": str(path.with_suffix("")), "{stem}": path.stem}
    for place, value in values.items():
        template = template.replace(place, quote(value, safe="/"))
    return template
