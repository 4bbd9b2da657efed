"""One sync of some or all sources into every index that names them, kept in the store."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from indexes.spool import Spool
from indexes.sync import SourceReport, SourceSync
from rag.app.wiring import Campus
from rag.core.contracts import IndexWriter, Progress
from rag.core.errors import BadInput, NotFound, nearest
from rag.core.records import digest

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one run did: one report a source and index, and the version of each index afterwards."""

    sources: tuple[SourceReport, ...]
    versions: dict[str, str]

    @property
    def is_short(self) -> bool:
        """Whether a person should look at this."""
        return any(each.is_short for each in self.sources)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {"sources": [asdict(each) for each in self.sources], "versions": self.versions}


def sync(
    campus: Campus, *, only: str | None = None, full: bool = False, progress: Progress
) -> SyncReport:
    """Bring the indexes up to date; one source's outage or mistake never stops the others.

    Raises:
        NotFound: no source of the name `only`.
        Busy: another process writes to one of the indexes.
        RetryLater: the disk is full or an engine is down.
    """
    known = campus.settings.sources
    if only is not None and only not in known:
        raise NotFound(f"There is no source “{only}”.", mend=nearest(only, list(known)))
    reports: list[SourceReport] = []
    versions: dict[str, str] = {}
    for index, definition in campus.settings.indexes.items():
        names = [name for name in definition.sources if only in {None, name}]
        if names:
            run = _IndexSync(campus, index, progress, full=full)
            versions[index] = run.run(names)
            reports += run.reports
    return SyncReport(sources=tuple(reports), versions=versions)


class _IndexSync:
    """All sources of one index, published as one version.

    Every source is read before the first is stored: what one of them revokes does not wait for what
    another has to embed.
    """

    def __init__(self, campus: Campus, index: str, progress: Progress, *, full: bool) -> None:
        self._campus = campus
        self._index = index
        self._progress = progress
        self._full = full
        self.reports: list[SourceReport] = []

    def run(self, names: Sequence[str]) -> str:
        """Both passes; the version that is live afterwards, or nothing where none ever was."""
        with self._campus.store(self._index).write() as writer, ExitStack() as spools:
            self._drop_removed(writer)
            runs = [self._begin(name, writer, spools) for name in names]
            readable = [run for run in runs if self._timed(run, self._read)]
            if not writer.fresh and any(run.has_revoked for run in readable):
                writer.publish()
            for run in readable:
                self._timed(run, SourceSync.store)
            if writer.fresh and not any(report.seen for report in self.reports):
                # Not one source could be read: an empty version helps nobody.
                return ""
            return writer.publish()

    def _begin(self, name: str, writer: IndexWriter, spools: ExitStack) -> SourceSync:
        report = SourceReport(source=name, index=self._index)
        self.reports.append(report)
        definition = self._campus.settings.sources[name]
        return SourceSync(
            self._campus.source(name),
            writer,
            spools.enter_context(Spool(self._campus.index_folder(self._index))),
            self._campus.sync_tools(self._index, self._progress),
            report,
            definition=digest(definition.model_dump_json()),
            failure_threshold=definition.failure_threshold,
        )

    def _read(self, run: SourceSync) -> bool:
        """Whether the source could be read; why not stands in its report."""
        try:
            run.read(full=self._full)
        except BadInput as error:
            run.report.outage = str(error)
            return False
        return True

    def _timed(self, run: SourceSync, work: Callable[[SourceSync], _T]) -> _T:
        began = time.monotonic()
        try:
            return work(run)
        finally:
            run.report.seconds = round(run.report.seconds + time.monotonic() - began, 3)

    def _drop_removed(self, writer: IndexWriter) -> None:
        """Delete the records of sources that the index's definition no longer names."""
        kept = set(self._campus.settings.indexes[self._index].sources)
        for source in sorted(writer.sources() - kept):
            report = SourceReport(source=source, index=self._index)
            self.reports.append(report)
            for entry in writer.entries(source):
                writer.delete(entry.record_id)
                report.deleted += 1
            writer.set_cursor(source, None)
