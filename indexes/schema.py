"""What an index's points must agree on; another schema needs another version of the index."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rag.core.definitions.indexes import Chunking
from rag.core.definitions.sources import Facet
from rag.core.records import digest

FORMAT = "1"
"""Rises with every change of payload, ids or analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSchema:
    """Embedder, chunking and facets of an index. `dimension` is the length of its vectors."""

    embedder: str
    dimension: int
    chunking: Chunking
    facets: Mapping[str, Facet]

    def digest(self) -> str:
        """Equal for two schemas whose points may live together."""
        facets = {name: facet.model_dump() for name, facet in self.facets.items()}
        return digest(
            FORMAT,
            self.embedder,
            str(self.dimension),
            self.chunking.model_dump_json(),
            json.dumps(facets, sort_keys=True),
        )
