"""sources/*.yaml: what is read, and who may see it."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from rag.core.definitions.base import (
    URL_OR_NONE,
    ByLanguage,
    Definition,
    FieldName,
    Label,
    Language,
    WrongKey,
)
from rag.core.errors import nearest
from rag.core.records import Kind

FacetType = Literal["keyword", "integer", "number", "boolean", "date"]


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
