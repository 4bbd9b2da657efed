"""One sync of some or all sources into every index that names them, kept in the store."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from indexes.spool import Spool
from indexes.sync import SourceReport, SourceSync
from rag.app.wiring import Campus
from rag.core.contracts import IndexWriter, Progress
from rag.core.errors import BadInput, NotFound, nearest
from rag.core.records import digest


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
    """All sources of one index, one after the other, published as one version."""

    def __init__(self, campus: Campus, index: str, progress: Progress, *, full: bool) -> None:
        self._campus = campus
        self._index = index
        self._progress = progress
        self._full = full
        self.reports: list[SourceReport] = []

    def run(self, names: Sequence[str]) -> str:
        with self._campus.store(self._index).write() as writer:
            for name in names:
                self.reports.append(self._sync(name, writer))
            return writer.publish()

    def _sync(self, name: str, writer: IndexWriter) -> SourceReport:
        began = time.monotonic()
        report = SourceReport(source=name, index=self._index)
        definition = self._campus.settings.sources[name]
        with Spool(self._campus.index_folder(self._index)) as spool:
            run = SourceSync(
                self._campus.source(name),
                writer,
                spool,
                self._campus.sync_tools(self._index, self._progress),
                report,
                definition=digest(definition.model_dump_json()),
                failure_threshold=definition.failure_threshold,
            )
            try:
                run.run(full=self._full)
            except BadInput as error:
                report.outage = str(error)
        report.seconds = round(time.monotonic() - began, 3)
        return report
