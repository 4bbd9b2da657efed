"""Every seam of the house as a Protocol; tests/contracts checks each of the sentences."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from rag.core.answers import Answer, Egress, Finish, Prompt, Question, Retrieved, Token
from rag.core.filters import FacetCount, Filter
from rag.core.records import (
    Change,
    EmbeddedPassage,
    Labels,
    Passage,
    Record,
    SparseVector,
    Vector,
)


@runtime_checkable
class Pingable(Protocol):
    """Anything `/readyz` asks."""

    def ping(self) -> None:
        """Return when the part can serve now.

        Raises:
            RetryLater: it can't at present.
            Damaged: it will not without a person's help.
            Unavailable: something is not installed.
        """


class Source(Protocol):
    """One upstream system, read as a stream of changes."""

    @property
    def name(self) -> str:
        """The definition's name; every record of this source carries it."""

    def changes(self, since: str | None) -> Iterator[Change]:
        """Yield what changed after the cursor; with None every live record.

        Keys are unique within one full read. The last change of a read that ended normally is a
        `Checkpoint`; every checkpoint resumes without loss. One unreadable document is one
        `Unreadable`, and the iteration goes on.

        Raises:
            RetryLater: the system failed; what came before stands, nothing may be swept.
            BadInput: the definition or the whole input cannot be used.
        """

    def keys(self) -> Iterator[str] | None:
        """List the keys of all live records cheaply, or None where the system can't.

        Raises:
            RetryLater: the listing is not complete.
            BadDocument: a part of the listing is unreadable, so its keys are not known.
        """


class Embedder(Protocol):
    """Turns text into unit-length vectors; safe to call from several threads.

    Any string is a text, also an empty one and one with half a surrogate pair.
    """

    @property
    def key(self) -> str:
        """Names model, revision and prefixes: two embedders of one key give the same vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage that the model reads; longer text is cut off unread."""

    def count_tokens(self, text: str) -> int:
        """Tokens of the text as a passage, special tokens and prefix included."""

    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector a text, in the order of the texts."""

    def embed_query(self, text: str) -> Vector:
        """The vector to search with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """One search of both sides; `labels` are the asker's, `limit` counts passages a side."""

    vector: Vector
    sparse: Mapping[str, SparseVector]
    labels: Labels
    limit: int
    filter: Filter | None = None
    sources: tuple[str, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage and its raw score: cosine on the dense side, BM25 on the sparse one."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Both rankings, each in falling order of score."""

    dense: tuple[Hit, ...]
    sparse: tuple[Hit, ...]


class Index(Protocol):
    """One pinned version of one index, for reading. All labels arguments are the asker's."""

    @property
    def version(self) -> str:
        """Name of the pinned version."""

    def search(self, request: SearchRequest) -> Hits:
        """Search both sides; nothing without one of the labels is scored or returned.

        Raises:
            BadQuestion: the filter names a facet that is not indexed.
            RetryLater: the engine does not answer.
        """

    def facets(
        self, field: str, *, labels: Labels, filter: Filter | None = None
    ) -> Sequence[FacetCount]:
        """Count records by the values of a declared facet, most frequent first."""

    def count(self, *, labels: Labels, filter: Filter | None = None) -> int:
        """Count the records that the labels may see."""

    def scroll(self, *, labels: Labels, filter: Filter | None = None) -> Iterator[Passage]:
        """Every passage that the labels may see, once each, in no promised order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What the index knows of one record without reading its passages."""

    record_id: str
    source: str
    partition: str
    digest: str
    labels: Labels
    passages: int
    valid_until: str


class IndexWriter(Protocol):
    """The one writer of one index. What it wrote is visible to readers after `publish`, at latest.

    Every call is idempotent. Deletes, narrowed labels and erasures are also kept in a revocation
    log, which an older version must replay before it may become visible again.
    """

    @property
    def fresh(self) -> bool:
        """Whether it began with an empty version: no index yet, or one of another schema."""

    def put(self, batch: Sequence[tuple[Record, Sequence[EmbeddedPassage]]]) -> None:
        """Store the passages of each record, then remove surplus ones of its former version.

        Each record stands once in a batch, and has a passage.
        """

    def relabel(self, record_id: str, labels: Labels) -> None:
        """Change who may read the record, without touching a vector."""

    def delete(self, record_id: str) -> None:
        """Remove the record and all its passages; an unknown id is no error."""

    def sources(self) -> frozenset[str]:
        """The names of all sources that have a record in the index."""

    def entries(self, source: str) -> Iterator[LedgerEntry]:
        """Every record of the source that is in the index."""

    def entry(self, record_id: str) -> LedgerEntry | None:
        """One record of the index."""

    def cursor(self, source: str) -> str | None:
        """The cursor that was stored beside the data it describes."""

    def set_cursor(self, source: str, cursor: str | None) -> None:
        """Store the cursor; it becomes durable together with what was written before it."""

    def publish(self) -> str:
        """Make everything written so far durable and visible at once; the version's name.

        The writer may go on writing after it.
        """


class IndexStore(Pingable, Protocol):
    """All versions of one index, in one engine."""

    @property
    def name(self) -> str:
        """The index definition's name."""

    def pin(self) -> AbstractContextManager[Index]:
        """The live version, unchanged for as long as the context lasts.

        Raises:
            NotFound: nothing was ever published.
            RetryLater: the engine does not answer.
        """

    def write(self) -> AbstractContextManager[IndexWriter]:
        """The writer. Leaving without `publish` throws away what was not published.

        An engine that writes to its live version in place keeps it instead: the next run goes on
        from there. There too a version that was never published is never seen.

        Raises:
            Busy: another process writes to this index.
        """


class Retriever(Protocol):
    """Finds the passages that may answer a question."""

    def retrieve(self, question: Question, *, labels: Labels, limit: int) -> Retrieved:
        """At most `limit` passages, best first, none that the labels may not see.

        Scores are comparable across questions; what lies below the floor is left out, so an empty
        result means that nothing relevant was found.
        """


class Generator(Protocol):
    """A language model, or what stands in for one."""

    @property
    def name(self) -> str:
        """The definition's name, shown in the answer."""

    @property
    def egress(self) -> Egress:
        """Where the prompt goes."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """Speak. The last item is a `Finish`; a stream without one has broken.

        Closing the generator ends the work upstream.

        Raises:
            RetryLater: no answer could be had; nothing was said yet.
            StreamBroken: the stream ended before its end.
            BadQuestion: the question is too long for the speaker, even without a passage.
            EgressRefused: the prompt may not go there.
        """

    async def ping(self) -> None:
        """Return when the generator can serve now.

        Raises:
            RetryLater: it can't at present.
        """


class Redactor(Protocol):
    """Takes out of a text what must not travel or be kept."""

    def redact(self, text: str) -> str:
        """The text with typed placeholders in the place of personal data and credentials."""


class Answerer(Protocol):
    """A bot."""

    @property
    def name(self) -> str:
        """The definition's name."""

    def answer(self, question: Question, *, labels: Labels) -> AsyncGenerator[Token | Answer, None]:
        """Answer from what the labels may see. The last item is always an `Answer`.

        The tokens joined are a preview of the answer's text; the `Answer` decides. Closing the
        generator ends the work behind it.

        Raises:
            BadQuestion: the question breaks a bound.
            RetryLater: no generator could answer.
            EgressRefused: only a generator outside of the campus is left, and it may not be asked.
        """


class Progress(Protocol):
    """Where long work says how far it is."""

    def start(self, task: str, total: int | None) -> None:
        """A new task begins; None where nobody knows how long it is."""

    def advance(self, steps: int = 1) -> None:
        """So many steps of the current task are done."""

    def finish(self) -> None:
        """The current task is over."""


class Silent:
    """A Progress for where nobody looks."""

    def start(self, task: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, steps: int = 1) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


_Case_contra = TypeVar("_Case_contra", contravariant=True)
_Result_contra = TypeVar("_Result_contra", contravariant=True)


class Metric(Protocol[_Case_contra, _Result_contra]):
    """One judgement of what a bot did with one case; the same twice."""

    @property
    def name(self) -> str:
        """The name under which a report shows it."""

    def __call__(self, case: _Case_contra, result: _Result_contra, /) -> float | None:
        """The score: in [0, 1], more is better, and 1 for flawless. None: not applicable here.

        Raises:
            RagError: the judgement failed; a failure is not a score.
        """


RunKind = Literal["sync", "evaluate"]
RunOutcome = Literal["done", "short", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a sync or an evaluation, `name` being its definition's.

    Times are aware, in UTC. Without an `outcome` it still goes on, or was killed. `short`: it ran,
    but fell short; `failed`: it could not.
    """

    id: int
    kind: RunKind
    name: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: RunOutcome | None = None
    report: Mapping[str, Any] | None = None


class RunStore(Protocol):
    """The memory of runs. What a call returned from is durable, and every process sees it.

    Every call raises Busy, RetryLater, Damaged or BadInput where the database is locked, away,
    damaged or not writable.
    """

    def start(self, kind: RunKind, name: str) -> Run:
        """A new run that begins now, under an id that no other run has."""

    def end(self, run: Run, outcome: RunOutcome, report: Mapping[str, Any]) -> Run:
        """The run, which ended now. The report comes back as it was given.

        Raises:
            NotFound: no such run was started.
            BadInput: it has ended already, or the report is not JSON. What was stored stays.
        """

    def latest(self, kind: RunKind, name: str) -> Run | None:
        """The run of this kind and name that was started last, or None before the first."""
