"""What a bot did with one case, and how it was judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluation.cases import Case
from rag.core.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that could not be done or judged. It is never a score.

    `stage` is `retrieve`, `answer` or a metric's name, `error` a class of `rag.core.errors`.
    """

    stage: str
    error: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case and what came of it.

    `retrieved` are record ids with their scores, best first, each once; None where retrieving
    failed. `answer` is None where none was asked for, or none came. A score of None: the metric
    does not apply, or failed. `seconds` were spent on the case, while others ran beside it.
    """

    case: Case
    retrieved: tuple[tuple[str, float], ...] | None = None
    generation: str = ""
    answer: Answer | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0
