"""How good the records and the answer of one case are: numbers that need no model.

The retrieval metrics speak of the records that were retrieved, and apply where the case names
relevant ones; the answer metrics apply where there is an answer.
"""

import re
from dataclasses import dataclass
from math import fsum, log2

from evaluation.cases import Case
from evaluation.results import CaseResult
from rag.core.answers import Answer
from rag.core.contracts import Metric

_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
# Neither an escaped bracket nor a Markdown link.
_CITED = re.compile(r"(?<!\\)\[(\d+)\](?!\()")


def deterministic_metrics(k: int) -> tuple[Metric[Case, CaseResult], ...]:
    """Every metric of this module, `recall` at the depth k."""
    return (
        Recall(k=k),
        NormalizedGain(k=10),
        ReciprocalRank(),
        CitationValidity(),
        RefusalAccuracy(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The share of the relevant records that is among the first k."""

    k: int

    @property
    def name(self) -> str:
        """`recall@k`."""
        return f"recall@{self.k}"

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        """Hits over relevant records."""
        if not case.relevant or result.retrieved is None:
            return None
        first = {record for record, _ in result.retrieved[: self.k]}
        return len(case.relevant & first) / len(case.relevant)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedGain:
    """Normalized discounted cumulative gain of the first k, a relevant record gaining 1.

    Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques (TOIS 20:4, 2002). The
    discount is 1 / log2(rank + 1), as in trec_eval, where theirs leaves the first two ranks whole.
    """

    k: int

    @property
    def name(self) -> str:
        """`ndcg@k`."""
        return f"ndcg@{self.k}"

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        """The gain over that of the best possible order."""
        if not case.relevant or result.retrieved is None:
            return None
        first = enumerate(result.retrieved[: self.k], start=1)
        gain = fsum(_discount(rank) for rank, (record, _) in first if record in case.relevant)
        best = fsum(_discount(rank) for rank in range(1, min(self.k, len(case.relevant)) + 1))
        return gain / best


def _discount(rank: int) -> float:
    return 1 / log2(rank + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReciprocalRank:
    """One over the rank of the first relevant record; the mean over cases is the MRR.

    Voorhees, The TREC-8 question answering track report (1999).
    """

    @property
    def name(self) -> str:
        """`mrr`."""
        return "mrr"

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        """The reciprocal rank, 0 where no relevant record was retrieved."""
        if not case.relevant or result.retrieved is None:
            return None
        ranks = enumerate((record for record, _ in result.retrieved), start=1)
        return next((1 / rank for rank, record in ranks if record in case.relevant), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationValidity:
    """The share of the `[n]` in an answer that lead to a passage which was retrieved for it.

    An answer that cites nothing scores 0; to a refusal it does not apply. Brackets in code, escaped
    ones and Markdown links are no citations.
    """

    @property
    def name(self) -> str:
        """`citation_validity`."""
        return "citation_validity"

    def __call__(self, _case: Case, result: CaseResult, /) -> float | None:
        """Citations that resolve over all citations, counted where they stand."""
        answer = result.answer
        if answer is None or answer.refusal is not None:
            return None
        cited = [int(number) for number in _CITED.findall(_without_code(answer.text))]
        valid = _numbers_that_resolve(answer)
        return sum(number in valid for number in cited) / len(cited) if cited else 0.0


def _without_code(text: str) -> str:
    return _CODE.sub("", _FENCED.sub("", text))


def _numbers_that_resolve(answer: Answer) -> frozenset[int]:
    retrieved = {(each.passage.record_id, each.passage.id) for each in answer.passages}
    return frozenset(
        each.number for each in answer.citations if (each.record_id, each.passage_id) in retrieved
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalAccuracy:
    """Whether the bot refused what must be refused, and nothing else."""

    @property
    def name(self) -> str:
        """`refusal_accuracy`."""
        return "refusal_accuracy"

    def __call__(self, case: Case, result: CaseResult, /) -> float | None:
        """1 or 0."""
        if result.answer is None:
            return None
        return float((result.answer.refusal is not None) == case.must_refuse)
