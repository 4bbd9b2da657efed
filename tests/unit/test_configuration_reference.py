"""docs/configuration.md: as new as the definitions, complete, and its examples load."""

import re
from pathlib import Path

import pytest

from rag.app.configuration_reference import FILES, reference
from rag.core.definitions.base import Definition
from rag.core.definitions.generators import RemoteGenerator
from rag.core.definitions.sources import SourceBase
from rag.core.settings import ConfigErrors, Settings, check, load
from tests import definitions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
EXAMPLE = re.compile(r"^`([\w/-]+\.yaml)`:\n\n```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECRETS = ("QDRANT_API_KEY", "GPT_API_KEY", "HELPDESK_API_KEY")


@pytest.fixture
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, page: str) -> Path:
    """The examples of the page as a configuration, with all that they name."""
    root = tmp_path / "campus" / "config"
    for name, text in EXAMPLE.findall(page):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "bots" / "prompts").mkdir()
    for language in ("de", "en"):
        (root / "bots" / "prompts" / f"cited.{language}.j2").touch()
    for name in ("export/wiki", "export/tickets", "cases"):
        (root.parent / name).mkdir(parents=True)
    for name in ("export/courses.csv", "export/tickets/2026.jsonl", "cases/it-support.jsonl"):
        (root.parent / name).touch()
    return root


def test_the_page_is_as_new_as_the_definitions(page: str) -> None:
    remedy = "Run: python -m rag.app.configuration_reference > docs/configuration.md"
    assert page == reference(), remedy


def test_the_examples_are_a_sound_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "set")
    found = check(folder)
    assert isinstance(found, Settings)
    kinds = {source.kind for source in found.sources.values()}
    assert kinds == {"files", "records", "catalogue"}
    assert set(found.bots) == {"it-support", "courses"}
    assert set(found.indexes) == {"it-support", "courses"}
    assert set(found.evaluations) == {"it-support"}


def test_there_is_an_example_of_every_file(page: str) -> None:
    shown = {name.partition("/")[0] for name, _ in EXAMPLE.findall(page)}
    assert shown == {heading.partition("/")[0] for heading, _, _ in FILES}


def test_the_mistake_in_the_introduction_reads_as_shown(folder: Path, page: str) -> None:
    bot = folder / "bots" / "it-support.yaml"
    bot.write_text(bot.read_text(encoding="utf-8").replace("llama", "lama"), encoding="utf-8")
    with pytest.raises(ConfigErrors) as caught:
        load(folder)
    told = str(caught.value).replace(str(folder.parent), "").removeprefix("/")
    shown = re.search(r"^    config/bots/it-support\.yaml:\d+: (.*)$", page, re.MULTILINE)
    assert shown
    assert told.endswith(shown[1])
    assert told == shown[0].strip()


def models() -> list[type[Definition]]:
    """All but those that only others are made from."""
    bases = {Definition, SourceBase, RemoteGenerator}
    found = definitions.models()
    return [each for each in found if each not in bases]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_has_a_row(page: str, model: type[Definition]) -> None:
    tables = [set(re.findall(r"^\| `(\w+)` \|", each, re.MULTILINE)) for each in page.split("###")]
    assert set(model.model_fields) in tables


def test_every_row_ends_with_a_sentence(page: str) -> None:
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if not re.search(r"\| [^|]*\w[^|]*[.] \|$", row)] == []


def test_every_link_leads_to_a_heading(page: str) -> None:
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert len(anchors) == len(headings)
    linked = set(re.findall(r"\]\(#([^)]*)\)", page))
    assert linked
    assert linked <= anchors
    files = re.findall(r"\]\(([^#)][^)]*)\)", page)
    assert [name for name in files if not (PAGE.parent / name).is_file()] == []
