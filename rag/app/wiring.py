"""From definition to object: the only place that knows concrete classes.

Everything is built when it is first asked for and kept, so that a command pays only for what it
uses. Modules that are heavy, or that belong to an extra, are imported where they are used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from indexes.schema import IndexSchema
from indexes.sync import Tools
from rag.core.contracts import (
    Answerer,
    Embedder,
    Generator,
    IndexStore,
    Pingable,
    Progress,
    Retriever,
    RunStore,
    Source,
)
from rag.core.definitions.bots import BotDefinition
from rag.core.definitions.engines import EdgeEngine, ServerEngine
from rag.core.definitions.generators import (
    ExtractiveGenerator,
    OpenAiGenerator,
    RemoteGenerator,
    TgiGenerator,
)
from rag.core.definitions.indexes import IndexDefinition
from rag.core.definitions.sources import CatalogueSource, FilesSource, RecordsSource
from rag.core.errors import NotFound, Unavailable, nearest
from rag.core.settings import Settings, secret
from rag.languages import detect

Ping = Callable[[], Awaitable[None]]
_T = TypeVar("_T")


class Campus:
    """Everything one configuration names, over one data folder."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self.settings = settings
        self._data = data
        self.bot = cache(self._bot)
        self.retriever = cache(self._retriever)
        self.speakers = cache(self._speakers)
        self.store = cache(self._store)
        self.embedder = cache(self._embedder)
        self.generator = cache(self._generator)

    # --- what commands and endpoints ask for -----------------------------------------------

    def bot_names(self) -> tuple[str, ...]:
        """All bots, in the order of their names."""
        return tuple(self.settings.bots)

    def detect(self, text: str) -> str:
        """The language of a text: de or en."""
        return detect(text)

    def source(self, name: str) -> Source:
        """A connector; see rag.core.contracts.Source."""
        definition = _named("source", name, self.settings.sources)
        match definition:
            case FilesSource():
                from connectors.files import FilesConnector

                return FilesConnector(name, definition)
            case RecordsSource():
                from connectors.records import RecordsConnector

                return RecordsConnector(name, definition)
            case CatalogueSource():
                from connectors.catalogue import CatalogueConnector

                return CatalogueConnector(name, definition)

    def index_folder(self, index: str) -> Path:
        """Where everything of one index lies."""
        return self._data / "indexes" / index

    @cached_property
    def _runs(self) -> RunStore:
        from rag.store.database import open_database, sqlite_url
        from rag.store.runs import Runs

        url = secret(self.settings.rag.store.url_env) or sqlite_url(self._data / "rag.sqlite")
        return Runs(open_database(url))

    def runs(self) -> RunStore:
        """The memory of syncs and evaluations."""
        return self._runs

    def pings(self) -> Mapping[str, Ping]:
        """Every part that a bot needs, with the call that proves it can serve.

        Of a bot's generators one is enough: that is what fallbacks are for.
        """
        pings: dict[str, Ping] = {}
        for name, bot in self.settings.bots.items():
            index = self.settings.indexes[bot.index]
            pings[f"index {bot.index}"] = _threaded(self.store(bot.index))
            pings[f"embedder {index.embedder}"] = _threaded(self.embedder(index.embedder))
            pings[f"generators of {name}"] = self.speakers(name).ping
        return pings

    def warm(self) -> None:
        """Build every bot and load its models, so that mistakes show now and nobody waits later."""
        for name, bot in self.settings.bots.items():
            self.bot(name)
            self.embedder(self.settings.indexes[bot.index].embedder).embed_query("warm")

    # --- building --------------------------------------------------------------------------

    def _bot(self, name: str) -> Answerer:
        from bots.bot import Bot
        from bots.prompt import PromptTemplate

        definition = self._bot_definition(name)
        prompts = self.settings.prompts
        return Bot(
            name=name,
            definition=definition,
            retriever=self.retriever(name),
            generator=self.speakers(name),
            template=PromptTemplate(
                de=prompts / f"{definition.prompt}.de.j2", en=prompts / f"{definition.prompt}.en.j2"
            ),
            detect=detect,
        )

    def _speakers(self, bot: str) -> Generator:
        from bots.chain import FallbackChain
        from bots.redaction import PatternRedactor

        definition = self._bot_definition(bot)
        return FallbackChain(
            [self.generator(each) for each in (definition.generator, *definition.fallbacks)],
            policy=definition.egress,
            redactor=PatternRedactor(),
        )

    def _retriever(self, bot: str) -> Retriever:
        from indexes.edge.bm25 import encode_query
        from indexes.retrieval import HybridRetriever

        definition = self._bot_definition(bot)
        index = self.settings.indexes[definition.index]
        return HybridRetriever(
            self.store(definition.index),
            self.embedder(index.embedder),
            definition.retriever,
            sources=definition.sources or index.sources,
            encode_query=encode_query,
            detect=detect,
        )

    def _store(self, index: str) -> IndexStore:
        definition = self._index_definition(index)
        embedder = self.embedder(definition.embedder)
        schema = IndexSchema(
            embedder=embedder.key,
            dimension=embedder.dimension,
            chunking=definition.chunking,
            facets=self.settings.facets(index),
        )
        folder = self.index_folder(index)
        match self.settings.rag.engine:
            case EdgeEngine(hnsw_ef=hnsw_ef):
                from indexes.generations import EdgeStore

                return EdgeStore(index, folder, schema, keep=definition.keep, hnsw_ef=hnsw_ef)
            case ServerEngine() as engine:
                return self._server_store(index, folder, schema, engine)

    def _server_store(
        self, index: str, folder: Path, schema: IndexSchema, engine: ServerEngine
    ) -> IndexStore:
        with _extra("server"):
            from indexes.server.store import ServerStore, connect

        key = secret(engine.api_key_env)
        return ServerStore(
            index,
            folder,
            schema,
            engine=engine,
            keep=self._index_definition(index).keep,
            connect=lambda: connect(engine, key),
        )

    def _embedder(self, name: str) -> Embedder:
        from indexes.embedding import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(_named("embedder", name, self.settings.rag.embedders))

    def _generator(self, name: str) -> Generator:
        definition = _named("generator", name, self.settings.rag.generators)
        match definition:
            case ExtractiveGenerator():
                from bots.extractive import ExtractiveGenerator as Extractive

                return Extractive(name=name, definition=definition)
            case TgiGenerator():
                with _extra("tgi"):
                    from bots.tgi import TgiGenerator as Tgi

                return Tgi(name=name, definition=definition, api_key=_key_of(definition))
            case OpenAiGenerator():
                with _extra("openai"):
                    from bots.openai_compatible import OpenAiGenerator as OpenAi

                return OpenAi(name=name, definition=definition, api_key=_key_of(definition))

    def sync_tools(self, index: str, progress: Progress) -> Tools:
        """What a sync of the index works with."""
        from indexes.chunking import Chunker
        from indexes.edge.bm25 import encode_passage
        from indexes.vectors import CachedEmbedder, VectorCache

        definition = self._index_definition(index)
        embedder = self.embedder(definition.embedder)
        cache = VectorCache(self._data / "vectors.sqlite")
        return Tools(
            chunk=Chunker(definition.chunking, embedder, detect),
            embedder=CachedEmbedder(embedder, cache),
            encode=encode_passage,
            guard=definition.guard,
            progress=progress,
        )

    def _bot_definition(self, name: str) -> BotDefinition:
        return _named("bot", name, self.settings.bots)

    def _index_definition(self, name: str) -> IndexDefinition:
        return _named("index", name, self.settings.indexes)


def _named(kind: str, name: str, known: Mapping[str, _T]) -> _T:
    if name not in known:
        raise NotFound(f"There is no {kind} “{name}”.", mend=nearest(name, list(known)))
    return known[name]


def _key_of(definition: RemoteGenerator) -> str | None:
    return secret(definition.api_key_env)


def _threaded(part: object) -> Ping:
    async def ping() -> None:
        if isinstance(part, Pingable):
            await asyncio.to_thread(part.ping)

    return ping


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say which extra is missing where an import fails."""
    try:
        yield
    except ImportError as error:
        raise Unavailable(
            f"{error.name} is not installed.", mend=f"pip install 'campus-rag[{name}]'"
        ) from error
