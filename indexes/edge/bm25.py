"""BM25 sparse vectors by Qdrant's own encoder, for German and English, on both engines.

Documents carry term-frequency weights (k = 1.2, b = 0.75); the engine multiplies by the inverse
document frequency of its own points (Robertson & Zaragoza 2009).
"""

from functools import cache

from qdrant_edge import Bm25, Bm25Config
from qdrant_edge import SparseVector as EdgeSparseVector

from indexes.payload import LANGUAGES, sparse_field
from rag.core.records import SparseVector

AVERAGE_TOKENS = 110.0
"""Length of a usual passage in words: passages are cut at about 200 of the embedder's tokens."""

_SNOWBALL = {"de": "german", "en": "english"}


def encode_passage(text: str, language: str) -> SparseVector:
    """The document's vector in its own language."""
    encoder = _encoder(language if language in _SNOWBALL else "en")
    return _vector(encoder.embed_document(_readable(text)))


def encode_query(text: str) -> dict[str, SparseVector]:
    """The query's vector for each language's field; fields that it has no term for are left out."""
    text = _readable(text)
    vectors = {sparse_field(each): _vector(_encoder(each).embed_query(text)) for each in LANGUAGES}
    return {field: vector for field, vector in vectors.items() if vector.indices}


def _readable(text: str) -> str:
    """The text with a question mark for each half character, which JSON can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


@cache
def _encoder(language: str) -> Bm25:
    return Bm25(Bm25Config(language=_SNOWBALL[language], avg_len=AVERAGE_TOKENS))


def _vector(sparse: EdgeSparseVector) -> SparseVector:
    return SparseVector(indices=tuple(sparse.indices), values=tuple(sparse.values))
