"""Little upstream systems, one for each connector and format."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from connectors.catalogue import CatalogueConnector
from connectors.files import FilesConnector
from connectors.records import RecordsConnector
from rag.core.contracts import Source
from rag.core.definitions.sources import CatalogueSource, FilesSource, LabelRule, RecordsSource

SPOILT = "\0spoilt"


class FilesWorld:
    """A folder; labels come from rules, so a relabelling is a change of the definition."""

    tells_every_key = True

    def __init__(self, folder: Path) -> None:
        self._root = folder / "wiki"
        self._root.mkdir()
        self._labels: dict[str, str] = {}

    def open(self) -> Source:
        rules = [LabelRule(match=key, labels=(label,)) for key, label in self._labels.items()]
        rules.append(LabelRule(match="**", labels=()))
        return FilesConnector(
            "wiki", FilesSource(kind="files", path=self._root, labels=tuple(rules))
        )

    def key(self, name: str) -> str:
        return f"{name[0]}/{name}.md"

    def put(self, name: str, text: str, label: str = "public") -> None:
        self._labels[self.key(name)] = label
        path = self._root / self.key(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def remove(self, name: str) -> None:
        (self._root / self.key(name)).unlink()

    def spoil(self, name: str) -> None:
        (self._root / self.key(name)).write_bytes(b"\0\1\2")

    def obscure(self) -> None:
        (self._root / "two\nlines.md").write_text("Text")

    def vanish(self) -> None:
        self._root.rename(self._root.with_name("unmounted"))


class ExportWorld:
    """What the systems behind one file have in common: it is written anew with every change."""

    tells_every_key = False
    suffix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"export{self.suffix}"
        self._documents: dict[str, tuple[str, str]] = {}
        self._obscured = False
        self._write()

    def key(self, name: str) -> str:
        return name

    def put(self, name: str, text: str, label: str = "public") -> None:
        self._documents[name] = (text, label)
        self._write()

    def remove(self, name: str) -> None:
        del self._documents[name]
        self._write()

    def spoil(self, name: str) -> None:
        self.put(name, SPOILT)

    def obscure(self) -> None:
        self._obscured = True
        self._write()

    def vanish(self) -> None:
        self._path.unlink()

    def _write(self) -> None:
        self._path.write_text(self._content(), "utf-8")

    def _content(self) -> str:
        raise NotImplementedError

    def _rows(self) -> Iterator[dict[str, str]]:
        for name, (text, label) in self._documents.items():
            ects = "viel" if text == SPOILT else "5"
            yield {"Name": name, "Text": text.replace("\0", ""), "Wer": label, "ECTS": ects}


class RecordsWorld(ExportWorld):
    suffix = ".jsonl"

    def open(self) -> Source:
        definition = RecordsSource(
            kind="records", path=self._path, allowed_labels=("public", "staff")
        )
        return RecordsConnector("tickets", definition)

    def _content(self) -> str:
        lines = [json.dumps(self._line(name)) for name in self._documents]
        return "\n".join([*lines, "{broken" if self._obscured else ""]) + "\n"

    def _line(self, name: str) -> dict[str, Any]:
        text, label = self._documents[name]
        labels = ["nobody-knows"] if text == SPOILT else [label]
        return {"key": name, "kind": "ticket", "text": text, "labels": labels}


class CsvWorld(ExportWorld):
    suffix = ".csv"

    def open(self) -> Source:
        return CatalogueConnector("courses", catalogue(self._path, "csv"))

    def _content(self) -> str:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ["Name", "Text", "Wer", "ECTS"], delimiter=";")
        writer.writeheader()
        writer.writerows(self._rows())
        return buffer.getvalue() + ("one;two\n" if self._obscured else "")


class JsonWorld(ExportWorld):
    suffix = ".json"

    def open(self) -> Source:
        return CatalogueConnector("courses", catalogue(self._path, "json"))

    def _content(self) -> str:
        rows: list[object] = list(self._rows())
        return json.dumps([*rows, "no object"] if self._obscured else rows)


def catalogue(path: Path, form: str) -> CatalogueSource:
    return CatalogueSource.model_validate(
        {
            "kind": "catalogue",
            "path": path,
            "format": form,
            "key": "{Name}",
            "title": "{Name}",
            "text": "{Text}",
            "labels": {"column": "Wer", "map": {"public": ["public"], "staff": ["staff"]}},
            "facets": {"ects": {"type": "integer"}},
            "columns": {"ects": {"column": "ECTS"}},
        }
    )


WORLDS = (FilesWorld, RecordsWorld, CsvWorld, JsonWorld)
