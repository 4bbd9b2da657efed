"""Both engines, each with one index of its own.

The vendor's in-process client stands in for a Qdrant server: the same calls, in Python.
"""

from pathlib import Path

from qdrant_client import QdrantClient

from indexes.generations import EdgeStore
from indexes.schema import IndexSchema
from indexes.server.store import ServerStore
from rag.core.definitions.engines import ServerEngine
from rag.core.definitions.indexes import Chunking
from rag.core.definitions.sources import Facet
from tests.contracts.index_material import EMBEDDER, FACETS

ENGINE = ServerEngine(kind="server", url="http://qdrant.invalid:6333")


def schema(facets: dict[str, Facet]) -> IndexSchema:
    """What the test embedder and these facets make of an index."""
    return IndexSchema(
        embedder=EMBEDDER.key,
        dimension=EMBEDDER.dimension,
        chunking=Chunking(),
        facets=facets,
    )


def edge(folder: Path, facets: dict[str, Facet] = FACETS, *, keep: int = 3) -> EdgeStore:
    """A store on the embedded engine."""
    return EdgeStore("campus", folder, schema(facets), keep=keep, hnsw_ef=64)


def server(
    folder: Path,
    facets: dict[str, Facet] = FACETS,
    *,
    client: QdrantClient | None = None,
    keep: int = 3,
) -> ServerStore:
    """A store on the server engine; the client is the server, so stores that share it share all."""
    shared = client or QdrantClient(":memory:")
    return ServerStore(
        "campus", folder, schema(facets), engine=ENGINE, keep=keep, connect=lambda: shared
    )
