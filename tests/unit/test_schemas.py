"""The JSON schemas for editors: as new as the definitions, right about the files here."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from rag.app.schemas import DEFINITIONS, schema_file, schema_text, write_schemas

CONFIG = Path(__file__).resolve().parents[2] / "config"
SCHEMAS = CONFIG / "schemas"
FILES = sorted(file for file in CONFIG.rglob("*.yaml") if "sample" not in file.parts)


def schema_for(file: Path) -> Path:
    """The schema that the first line of the file names, as editors read it."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    mark, _, path = first.partition("$schema=")
    assert mark == "# yaml-language-server: ", f"{file} names no schema in its first line"
    return (file.parent / path).resolve()


def check(schema: Path, data: Any) -> bool:
    return jsonschema_rs.is_valid(yaml.safe_load(schema.read_text(encoding="utf-8")), data)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_files_are_as_new_as_the_definitions(name: str) -> None:
    text = schema_file(SCHEMAS, name).read_text(encoding="utf-8")
    assert text == schema_text(name), "Run: python -m rag.app.schemas"
    jsonschema_rs.meta.validate(yaml.safe_load(text))


def test_no_other_file_lies_with_them() -> None:
    assert set(SCHEMAS.iterdir()) == {schema_file(SCHEMAS, name) for name in DEFINITIONS}


def test_writing_replaces_older_ones(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "schemas"
    write_schemas(folder)
    schema_file(folder, "bot").write_text("old")
    write_schemas(folder)
    assert schema_file(folder, "bot").read_text(encoding="utf-8") == schema_text("bot")


def test_there_are_files_of_every_kind() -> None:
    assert {schema_for(file) for file in FILES} == {schema_file(SCHEMAS, n) for n in DEFINITIONS}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONFIG)))
def test_every_file_fits_its_schema_and_a_typo_does_not(file: Path) -> None:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    schema = schema_for(file)
    assert check(schema, data)
    assert not check(schema, {**data, "no_such_key": 1})
