"""What an evaluation found: by case, by language and over all, failures apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evaluation.results import CaseResult, Failure
from evaluation.summary import Summary, summarize

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of an evaluation. `results` are in the order of the cases, times aware."""

    evaluation: str
    started_at: datetime
    asked_at: datetime
    seconds: float
    limit: int
    retrieval_only: bool
    metrics: tuple[str, ...]
    results: tuple[CaseResult, ...]

    @property
    def groups(self) -> Mapping[str, tuple[CaseResult, ...]]:
        """The cases of `all`, then of each language."""
        languages = sorted({result.case.language for result in self.results})
        return {
            ALL: self.results,
            **{
                language: tuple(each for each in self.results if each.case.language == language)
                for language in languages
            },
        }

    @property
    def failures(self) -> tuple[tuple[str, Failure], ...]:
        """Every failure with the id of its case."""
        return tuple((each.case.id, failure) for each in self.results for failure in each.failures)

    def summaries(self) -> Mapping[str, Mapping[str, Summary]]:
        """By group, then by metric."""
        return {
            group: {metric: _summary(results, metric) for metric in self.metrics}
            for group, results in self.groups.items()
        }


def _summary(results: tuple[CaseResult, ...], metric: str) -> Summary:
    scores = (result.scores.get(metric) for result in results)
    return summarize([score for score in scores if score is not None])
