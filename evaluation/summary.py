"""A metric over many cases: mean and confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, quantiles

_RESAMPLES = 1000
_SEED = 20261122


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Mean over the n cases to which the metric applies, with its 95 % interval.

    Mean is None without a case, the interval with fewer than two.
    """

    n: int
    mean: float | None
    low: float | None
    high: float | None


def summarize(scores: Sequence[float]) -> Summary:
    """Percentile bootstrap over cases (Efron & Tibshirani, An Introduction to the Bootstrap, 1993).

    The seed is fixed: the same scores give the same interval. Scores that are all alike give an
    interval of no width, which says nothing about cases that were not asked.

    >>> summarize([0.0, 1.0, 1.0, 1.0]).mean
    0.75
    """
    if len(scores) < 2:  # noqa: PLR2004 -- one case has no spread
        mean = scores[0] if scores else None
        return Summary(n=len(scores), mean=mean, low=None, high=None)
    draw = Random(_SEED)  # noqa: S311 -- statistics, not secrets
    means = [fmean(draw.choices(scores, k=len(scores))) for _ in range(_RESAMPLES)]
    cuts = quantiles(means, n=40, method="inclusive")
    return Summary(n=len(scores), mean=fmean(scores), low=cuts[0], high=cuts[-1])
