"""What the documentation says is done: its commands run, its YAML loads, its requests are answered.

Each check is also shown something broken, which it must find.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from evaluation.document import CaseDocument, ReportDocument
from rag.app.cli.main import cli
from rag.app.http import errors
from rag.core.definitions.campus import Bounds
from tests.conftest import PROJECT
from tests.documentation import (
    Block,
    Page,
    broken_links,
    merged,
    missing_paths,
    wrong_commands,
    wrong_yaml,
)
from tests.documented_examples import Server, run_curl, run_python, unlike, wrong_examples
from tests.integration.conftest import Rag
from tests.live_server import free_port, wait_until_ready

KEY = "helpdesk-key-0123456789"
README = Page.read(PROJECT / "README.md")
API = Page.read(PROJECT / "docs" / "api.md")
MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
# Its examples make one configuration together: see unit/test_configuration_reference.py.
REFERENCE = PROJECT / "docs" / "configuration.md"
PAGES = tuple(
    Page.read(path)
    for path in (
        PROJECT / "README.md",
        PROJECT / "CONTRIBUTING.md",
        PROJECT / "CHANGELOG.md",
        *sorted((PROJECT / "docs").rglob("*.md")),
    )
)
pages = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.path.relative_to(PROJECT).as_posix()
)


def commands_of(page: Page, program: str) -> list[str]:
    """The commands in the page's console blocks that call the program."""
    commands = [c for block in page.blocks if block.language == "console" for c in block.commands()]
    return [command for command in commands if command.startswith(f"{program} ")]


def planted(text: str) -> Page:
    """A page with a fault in it, as if it lay beside the README."""
    return Page(path=PROJECT / "PLANTED.md", text=text)


SERVE = next(each for each in commands_of(README, "rag") if each.startswith("rag serve"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample configuration, to be changed and put back."""
    folder = tmp_path_factory.mktemp("documented") / "config"
    shutil.copytree(PROJECT / "config", folder)
    return folder


@pytest.fixture(scope="module")
def server(rag: Rag, config: Path) -> Iterator[Server]:
    """The README's `rag serve`, on a free port, with the keys that docs/api.md configures."""
    keyed = next(block.text for block in API.blocks if "api_keys:" in block.text)
    folder = config.with_name("keyed")
    shutil.copytree(config, folder)
    settings = folder / "rag.yaml"
    settings.write_text(merged(settings.read_text("utf-8"), keyed), "utf-8")
    port = free_port()
    arguments = shlex.split(re.sub(r"--port \d+", f"--port {port}", SERVE))[1:]
    assert str(port) in arguments
    environment = rag.environment() | {"HELPDESK_API_KEY": KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "rag.app.cli.main", *arguments],
        env=environment | {"RAG_CONFIG": str(folder)},
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(port)
        yield Server(base=f"http://127.0.0.1:{port}", environment=environment)
    finally:
        process.terminate()
        process.wait(timeout=30)


# --- what every page must be --------------------------------------------------------------------


@pages
def test_every_link_leads_somewhere(page: Page) -> None:
    assert list(broken_links(page)) == []


@pages
def test_every_command_and_option_that_is_named_exists(page: Page) -> None:
    assert list(wrong_commands(page, MAKEFILE)) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_path_that_is_named_exists(name: str) -> None:
    assert list(missing_paths(Page.read(PROJECT / name), PROJECT)) == []


@pages
def test_all_yaml_is_valid_where_it_says_it_belongs(page: Page, config: Path) -> None:
    if page.path != REFERENCE:
        assert list(wrong_yaml(page, config)) == []


def test_the_picture_is_a_picture() -> None:
    picture = PROJECT / "docs" / "images" / "chat.png"
    assert f"({picture.relative_to(PROJECT)})" in README.text
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert picture.stat().st_size < 150_000


def test_the_pages_are_not_empty() -> None:
    """What the checks above look at is there to be looked at."""
    assert len(commands_of(README, "rag")) > 4
    assert {"make demo", "make test"} <= set(commands_of(README, "make"))
    assert sum(1 for page in PAGES for _ in page.links()) > 20
    assert sum(block.language == "yaml" for block in API.blocks) > 1


# --- what runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [c for c in commands_of(README, "rag") if c != SERVE])
def test_a_command_of_the_readme_does_its_work(rag: Rag, command: str) -> None:
    """In this process, which loads the model once; test_command_line.py begins new ones."""
    folders = {"RAG_CONFIG": str(rag.config), "RAG_DATA": str(rag.data)}
    ran = CliRunner().invoke(cli, shlex.split(command)[1:], env=folders)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.strip()
    if "--json" in command:
        assert isinstance(json.loads(ran.stdout), dict)


def test_the_server_of_the_readme_serves_the_page_and_the_bots(server: Server) -> None:
    page = httpx.get(f"{server.base}/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    bots = httpx.get(f"{server.base}/bots").json()["bots"]
    assert {bot["name"] for bot in bots} == {"courses", "it-support"}


def test_the_api_answers_as_its_page_shows(server: Server) -> None:
    assert list(wrong_examples(API, server)) == []


def test_every_field_of_an_answer_is_explained() -> None:
    """Tables of docs/api.md against the examples, which the test above holds to the server."""
    explained = set(re.findall(r"^\| `(\w+)` \|", API.text, re.MULTILINE))
    shown = next(json.loads(block.text) for block in API.blocks if block.language == "json")
    assert set(shown) <= explained


def test_every_error_is_explained() -> None:
    table = API.text.partition("## Errors")[2].partition("## Bounds")[0]
    explained = set(re.findall(r"^\| \d{3} \| `(\w+)` \|", table, re.MULTILINE))
    assert explained == {row.type for row in errors._TABLE} | {"bad_request", "internal"}


def test_every_bound_is_explained_with_its_default() -> None:
    table = API.text.partition("## Bounds")[2].partition("## Health")[0]
    explained: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[^|]*) \| (\d[^|]*) \|", table, re.MULTILINE):
        explained |= zip(re.findall(r"`(\w+)`", names), defaults.split("; "), strict=True)
    assert explained == {name: f"{value:,.0f}" for name, value in Bounds()}


def test_every_field_of_an_evaluation_is_explained() -> None:
    page = Page.read(PROJECT / "docs" / "evaluation.md")
    document = page.text.partition("## The document")[2]
    named = set(re.findall(r"`(\w+)`", document))
    assert set(ReportDocument.__annotations__) | set(CaseDocument.__annotations__) <= named


def test_front_ends_are_told_an_address_and_models_that_exist(server: Server) -> None:
    section = API.text.partition("## Front-ends")[2]
    models = set(re.findall(r"openai/([\w-]+)|\+([\w-]+)", section))
    named = {one or other for one, other in models}
    assert named == {"courses", "it-support"}
    addresses = set(re.findall(r"(?:URL=|api_base: )(\S+)", section))
    assert len(addresses) == 1
    for address in addresses:
        listed = httpx.get(f"{server.here(address)}/models").json()
        assert {model["id"] for model in listed["data"]} == named


# --- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[x](docs/nowhere.md)",
        "![x](docs/images/nowhere.png)",
        "[x](docs/api.md#nowhere)",
        "# A\n[x](#b)",
    ],
)
def test_a_broken_link_is_found(text: str) -> None:
    assert len(list(broken_links(planted(text)))) == 1
    assert list(broken_links(planted("[x](docs/api.md#errors) [y](https://nowhere.example)"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "`make coffee`",
        "```console\n$ make demo\n$ make coffee\n```\n",
        "`rag brew`",
        "`rag sync --sauce NAME`",
        '```console\n$ rag ask it-support "x" \\\n    --jsn\n```\n',
        "```console\n$ coffee --black\n```\n",
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    assert len(list(wrong_commands(planted(text), MAKEFILE))) == 1


def test_a_path_that_does_not_exist_is_found() -> None:
    assert len(list(missing_paths(planted("`rag/core/nothing.py` `rag/core/`"), PROJECT))) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# config/bots/courses.yaml\ntitel: x\n", "titel"),
        ("# config/sources/new.yaml\nkind: files\npath: ../nowhere\nlabels: []\n", "labels"),
        ("# config/rag.yaml\nengine: {kind: sever, url: http://a.example}\n", "kind"),
        ("# config/rag.yaml\nhttp: {identity: {api_keys: [{name: a, key_env: A}]}}\n", "labels"),
        ("# config/bots/courses.yaml\n  a: b\n c: d\n", "courses.yaml:3"),
        ("kind: files\n", "the first line must name the file"),
    ],
)
def test_wrong_yaml_is_found(config: Path, text: str, says: str) -> None:
    before = sorted((file, file.read_bytes()) for file in config.rglob("*.yaml"))
    (found,) = wrong_yaml(planted(f"```yaml\n{text}```\n"), config)
    assert says in found
    assert "PLANTED.md:1: " in found
    assert sorted((file, file.read_bytes()) for file in config.rglob("*.yaml")) == before


def test_a_wrong_part_of_rag_yaml_in_the_prose_is_found(config: Path) -> None:
    right = "`store: {url_env: RAG_DATABASE}`"
    assert list(wrong_yaml(planted(right), config)) == []
    assert len(list(wrong_yaml(planted(right.replace("url_env", "url")), config))) == 1


ASKED = (
    '```console\n$ curl -s http://127.0.0.1:8000/healthz\n```\n\n```json\n{"status": "ok"}\n```\n'
)
PRINTED = '```python\nprint("a\\nb")\n```\n\n```text\na\n…\n```\n'


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"ok"', '"well"'),
        ('{"status": "ok"}', '{"status": "ok", "since": "…"}'),
        ('{"status": "ok"}', "{}"),
        ("/healthz", "/nowhere"),
        ("```json", "```yaml"),
        ("…", "c"),
        ('print("a', 'print("z'),
        ('print("a\\nb")', "raise SystemExit(1)"),
    ],
)
def test_an_example_that_is_answered_otherwise_is_found(
    server: Server, right: str, wrong: str
) -> None:
    page = ASKED + PRINTED
    assert list(wrong_examples(planted(page), server)) == []
    assert len(list(wrong_examples(planted(page.replace(right, wrong)), server))) == 1


@pytest.mark.parametrize(
    ("shown", "alike", "different"),
    [
        ("a…c", "abc", "ab"),
        ("…", [1], None),
        (1, 1, 2),
        (1, 1, True),
        (0.5, 0.7, "0.7"),
        (1_795_331_138, 1_795_000_000, None),
        ([1, "…"], [1, 2, 3], [2, 1]),
        (["…", 2, "…"], [1, 2, 3], [1, 3]),
        ([], [], [1]),
        ({"a": None}, {"a": None}, {"a": 0}),
    ],
)
def test_what_is_shown_is_held_against_what_comes(
    shown: object, alike: object, different: object
) -> None:
    assert unlike(shown, alike) == ""
    if shown != "…":
        assert unlike(shown, different) != ""


def test_an_option_of_curl_that_nobody_checks_is_refused(server: Server) -> None:
    text = "$ curl -k http://127.0.0.1:8000/healthz\n"
    with pytest.raises(ValueError, match="-k"):
        run_curl(Block(place="", language="console", text=text), server)
    assert run_python("print(1)", server) == "1\n"
