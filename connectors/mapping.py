"""A row of a catalogue → a record, as the definition maps it."""

from collections.abc import Iterator, Mapping

from connectors.facets import facet_from_texts
from connectors.rows import Row
from connectors.templates import Lookup, filled, filled_lines, filled_link, places
from connectors.values import checked_key, clean, end_moment, moment, web_address
from rag.core.definitions.base import ByLanguage
from rag.core.definitions.sources import CatalogueSource, LabelColumn
from rag.core.errors import BadDocument
from rag.core.records import FacetValue, Labels, Record


def columns_of(definition: CatalogueSource) -> list[str]:
    """Every column that the mapping names."""
    words = [definition.title, definition.text]
    templates = [definition.key, definition.url, definition.partition or ""]
    templates += [definition.updated_at or "", definition.valid_until or ""]
    templates += [word for word in words if isinstance(word, str)]
    templates += [t for word in words if isinstance(word, ByLanguage) for t in (word.de, word.en)]
    columns = [column.column for column in definition.columns.values()]
    columns += definition.translations
    if isinstance(definition.labels, LabelColumn):
        columns.append(definition.labels.column)
    return [*(column for template in templates for column in places(template)), *columns]


def key_of(row: Row, definition: CatalogueSource) -> str:
    """The row's key.

    Raises:
        BadDocument: the row is broken, or a column of the key is empty.
    """
    if row.problem is not None:
        raise row.problem
    for column in places(definition.key):
        if not row.text(column):
            raise BadDocument(f"The column {column} of the key is empty.", mend="Fill it.")
    return checked_key(filled(definition.key, row.text))


def record_of(row: Row, key: str, source: str, definition: CatalogueSource) -> Record:
    """The whole record.

    Raises:
        BadDocument: a value is not of its type, or the title is empty.
    """
    updated = filled(definition.updated_at or "", row.text).strip()
    until = filled(definition.valid_until or "", row.text).strip()
    title, text = _words(row, definition)
    return Record(
        source=source,
        key=key,
        kind="course",
        text=clean(text) or title,
        title=title,
        url=web_address(filled_link(definition.url, row.text)),
        labels=_labels(row, definition.labels),
        language=definition.language,
        updated_at=moment(updated) if updated else None,
        valid_until=end_moment(until) if until else None,
        partition=clean(filled(definition.partition or "", row.text).strip()),
        facets=dict(_facets(row, definition)),
    )


def _words(row: Row, definition: CatalogueSource) -> tuple[str, str]:
    """Title and text. A text in two languages has a section for each, under its own title."""
    titles = {
        language: " ".join(clean(filled(template, _lookup(row, language, definition))).split())
        for language, template in _templates(definition.title, definition).items()
    }
    title = " / ".join(dict.fromkeys(filter(None, titles.values())))
    if not title:
        raise BadDocument("The title is empty.", mend="Fill it, or mend its template.")
    texts = {
        language: filled_lines(template, _lookup(row, language, definition))
        for language, template in _templates(definition.text, definition).items()
    }
    if len(texts) == 1:
        return title, next(iter(texts.values()))
    return title, "\n\n".join(
        f"## {titles.get(language) or title}\n\n{text}" for language, text in texts.items() if text
    )


def _lookup(row: Row, language: str, definition: CatalogueSource) -> Lookup:
    """The values of the row as the text of that language shows them."""
    if language != "en":
        return row.text

    def translated(column: str) -> str:
        words = definition.translations.get(column, {})
        parts = [part for value in row.values(column) for part in value.split(", ")]
        return ", ".join(words.get(part, part) for part in parts) if words else row.text(column)

    return translated


def _templates(words: ByLanguage | str, definition: CatalogueSource) -> Mapping[str, str]:
    """The templates by language, German first; one that names no language stands alone."""
    if isinstance(words, str):
        return {"": words}
    if definition.language:
        return {definition.language: words.of(definition.language)}
    return {"de": words.de, "en": words.en}


def _labels(row: Row, labels: LabelColumn | tuple[str, ...]) -> Labels:
    if isinstance(labels, LabelColumn):
        return frozenset(labels.map.get(row.text(labels.column), ()))
    return frozenset(labels)


def _facets(row: Row, definition: CatalogueSource) -> Iterator[tuple[str, FacetValue]]:
    for name, column in definition.columns.items():
        texts = list(row.values(column.column))
        if column.split is not None:
            texts = [part.strip() for text in texts for part in text.split(column.split)]
        texts = [(column.map or {}).get(text, text) for text in texts if text]
        try:
            value = facet_from_texts(name, definition.facets[name], texts, decimal=column.decimal)
        except BadDocument as error:
            message = f"Column {column.column}: {error.message}"
            raise BadDocument(message, mend=error.mend) from None
        if value is not None:
            yield name, value
