"""Latency and recall of filtered hybrid queries over real vectors, and time to the first token."""

import asyncio
import resource
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.corpus import PROJECT, Corpus
from bots.bot import Bot
from indexes.edge.bm25 import encode_passage, encode_query
from indexes.generations import EdgeStore
from indexes.retrieval import HybridRetriever
from indexes.schema import IndexSchema
from indexes.vectors import CachedEmbedder, VectorCache
from rag.app.wiring import Campus
from rag.core.answers import Answer, Egress, Finish, Message, Prompt, Question, Token
from rag.core.contracts import Embedder, Index, SearchRequest
from rag.core.definitions.bots import RetrieverSettings
from rag.core.definitions.indexes import Chunking
from rag.core.records import EmbeddedPassage, Passage, Record
from rag.core.settings import load
from rag.languages import detect

QUERIES = 300
WARM = 20
LABELS = frozenset({"public"})


class Instant:
    """A generator that speaks at once: what is left of the time is ours."""

    name = "instant"
    egress: Egress = "campus"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """One word, with a citation."""
        prompt.messages()
        yield Token(text="Yes. [1]")
        yield Finish(generator=self.name, given=frozenset({1}))

    async def ping(self) -> None:
        """Always there."""


class Plain:
    """The shortest prompt."""

    def render(self, prompt: Prompt) -> tuple[Message, ...]:
        """The question alone."""
        return (Message(role="user", content=prompt.question),)


def measure(corpus: Corpus, folder: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """One row a size, as far as the corpus has so many texts."""
    campus = Campus(load(PROJECT / "config"), folder / "query")
    embedder = CachedEmbedder(campus.embedder("default"), VectorCache(folder / "vectors.sqlite"))
    sentences = list(islice(corpus.texts(), max(sizes) + QUERIES))
    questions = sentences[:: max(1, len(sentences) // QUERIES)][:QUERIES]
    rows = []
    for size in sizes:
        texts = [text for text in sentences if text not in set(questions)][:size]
        store = _build(folder / f"index-{size}", texts, embedder)
        rows.append(_row(store, embedder, questions, len(texts)))
    return rows


def _build(folder: Path, texts: Sequence[str], embedder: Embedder) -> EdgeStore:
    schema = IndexSchema(
        embedder=embedder.key, dimension=embedder.dimension, chunking=Chunking(), facets={}
    )
    store = EdgeStore("bench", folder, schema, keep=1, hnsw_ef=128)
    with store.write() as writer:
        for start in range(0, len(texts), 1000):
            writer.put(_records(texts[start : start + 1000], start, embedder))
        writer.publish()
    return store


def _records(
    texts: Sequence[str], start: int, embedder: Embedder
) -> list[tuple[Record, list[EmbeddedPassage]]]:
    vectors = embedder.embed_passages(texts)
    return [
        _record(start + i, text, vector)
        for i, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]


def _record(
    number: int, text: str, vector: Sequence[float]
) -> tuple[Record, list[EmbeddedPassage]]:
    # Every third passage is for staff only, so that the label filter has something to do.
    labels = frozenset({"staff"}) if number % 3 == 0 else LABELS
    record = Record(source="bench", key=str(number), kind="page", text=text, labels=labels)
    passage = Passage(
        record_id=record.id,
        ordinal=0,
        text=text,
        title="",
        url="",
        heading_path=(),
        language="en",
        kind="page",
        source="bench",
        labels=labels,
    )
    sparse = encode_passage(text, "en")
    return record, [EmbeddedPassage(passage=passage, vector=vector, sparse=sparse)]


def _row(
    store: EdgeStore, embedder: Embedder, questions: Sequence[str], size: int
) -> dict[str, Any]:
    requests = [_request(text, embedder) for text in questions]
    with store.pin() as index:
        for request in requests[:WARM]:
            index.search(request)
        times = [_timed(index, request) for request in requests]
        recall = _recall(index, requests)
    first = asyncio.run(_first_tokens(store, embedder, questions[:100]))
    return {
        "passages": size,
        "query_p50_ms": _percentile(times, 50),
        "query_p95_ms": _percentile(times, 95),
        "recall_at_10": round(recall, 4),
        "first_token_p50_ms": _percentile(first, 50),
        "first_token_p95_ms": _percentile(first, 95),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _request(text: str, embedder: Embedder, *, exact: bool = False) -> SearchRequest:
    return SearchRequest(
        vector=embedder.embed_query(text),
        sparse=encode_query(text),
        labels=LABELS,
        limit=40,
        exact=exact,
    )


def _timed(index: Index, request: SearchRequest) -> float:
    began = time.perf_counter()
    index.search(request)
    return time.perf_counter() - began


def _recall(index: Index, requests: Iterable[SearchRequest]) -> float:
    """Share of the ten nearest by exact search that the approximate search returns too."""
    found = total = 0
    for request in requests:
        exact = SearchRequest(
            vector=request.vector, sparse={}, labels=request.labels, limit=10, exact=True
        )
        nearest = {hit.passage.id for hit in index.search(exact).dense}
        approximate = {hit.passage.id for hit in index.search(request).dense[:10]}
        found += len(nearest & approximate)
        total += len(nearest)
    return found / total


async def _first_tokens(
    store: EdgeStore, embedder: Embedder, questions: Iterable[str]
) -> list[float]:
    settings = load(PROJECT / "config")
    retriever = HybridRetriever(
        store,
        embedder,
        RetrieverSettings(),
        sources=(),
        encode_query=encode_query,
        detect=detect,
    )
    bot = Bot(
        name="bench",
        definition=next(iter(settings.bots.values())),
        retriever=retriever,
        generator=Instant(),
        template=Plain(),
        detect=detect,
    )
    return [await _first_token(bot, text) for text in questions]


async def _first_token(bot: Bot, text: str) -> float:
    began = time.perf_counter()
    first = 0.0
    async for item in bot.answer(Question(text=text), labels=LABELS):
        if not first and not isinstance(item, Answer):
            first = time.perf_counter() - began
    return first or time.perf_counter() - began


def _percentile(seconds: Sequence[float], share: int) -> float:
    return round(quantiles(seconds, n=100)[share - 1] * 1000, 2)
