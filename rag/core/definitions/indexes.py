"""indexes/*.yaml: which sources, cut and embedded how."""

from pydantic import (
    Field,
)

from rag.core.definitions.base import Definition, Name


class Chunking(Definition):
    """How a record becomes passages. Tokens are the embedder's own."""

    max_tokens: int = Field(
        default=200,
        ge=32,
        le=8192,
        description="Longest passage; never more than the embedder reads.",
    )
    min_tokens: int = Field(default=40, ge=0, description="Smaller neighbours are joined.")


class SweepGuard(Definition):
    """A sweep beyond both bounds is refused."""

    share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of a partition's records that one sweep may delete.",
    )
    records: int = Field(
        default=10, ge=0, description="So many records may be deleted whatever their share."
    )


class IndexDefinition(Definition):
    """One index: which sources, embedded how."""

    sources: tuple[Name, ...] = Field(min_length=1, description="Names of files in sources/.")
    embedder: Name = Field(
        default="default", description="Name in embedders of rag.yaml. Another one needs a rebuild."
    )
    chunking: Chunking = Chunking()
    guard: SweepGuard = SweepGuard()
    keep: int = Field(default=3, ge=1, le=100, description="Sealed generations kept for rollback.")
