"""evaluations/*.yaml: a bot and its cases."""

from pathlib import Path
from typing import Self

from pydantic import (
    Field,
    model_validator,
)

from rag.core.definitions.base import Definition, Name, WrongKey


class EvaluationDefinition(Definition):
    """A bot, its cases, and how deep to look."""

    bot: Name = Field(description="Name of a file in bots/.")
    cases: tuple[Path, ...] = Field(min_length=1, description="Files of cases in JSON Lines.")
    k: int = Field(default=5, ge=1, le=100, description="Depth of recall@k.")
    limit: int = Field(
        default=10, ge=10, le=100, description="Records retrieved a case: for nDCG@10 at least 10."
    )

    @model_validator(mode="after")
    def _as_deep_as_it_looks(self) -> Self:
        if self.limit < self.k:
            raise WrongKey(("limit",), "It can't be smaller than k")
        return self
