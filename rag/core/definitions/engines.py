"""The engine in rag.yaml: embedded, or a Qdrant server."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
)

from rag.core.definitions.base import PREFIX, Definition, Seconds, Url, Variable


class EdgeEngine(Definition):
    """Qdrant Edge, in process: the embedded default."""

    kind: Literal["edge"] = "edge"
    hnsw_ef: int = Field(
        default=128,
        ge=16,
        le=4096,
        description="Breadth of a search: more finds more, and takes longer.",
    )


class ServerEngine(Definition):
    """A Qdrant server or cluster by URL."""

    kind: Literal["server"]
    url: Url = Field(description="Address of the REST interface.")
    grpc: bool = Field(default=True, description="Whether to prefer gRPC, which is faster.")
    grpc_port: int = Field(default=6334, ge=1, le=65535, description="Port of the gRPC interface.")
    api_key_env: Variable | None = Field(default=None, description="Variable with the API key.")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust in place of the system's, as PEM."
    )
    shards: int = Field(default=1, ge=1, le=1024, description="Shards of a new collection.")
    replicas: int = Field(default=1, ge=1, le=64, description="Copies of each shard.")
    write_consistency: int = Field(
        default=1, ge=1, le=64, description="Copies that must confirm a write."
    )
    timeout: Seconds = Field(default=10, description="Seconds until a call is given up.")
    hnsw_ef: int = Field(
        default=128,
        ge=16,
        le=4096,
        description="Breadth of a search: more finds more, and takes longer.",
    )
    prefix: str = Field(
        default="", pattern=PREFIX, description="Put before the names of collections."
    )


EngineDefinition = Annotated[EdgeEngine | ServerEngine, Field(discriminator="kind")]
