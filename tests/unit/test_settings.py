"""A configuration folder: what a sound one becomes, and what every mistake in it is told."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.core.config_folder import FOLDERS
from rag.core.definitions.base import Variable
from rag.core.definitions.engines import ServerEngine
from rag.core.definitions.generators import TgiGenerator
from rag.core.definitions.sources import CatalogueSource, RecordsSource
from rag.core.errors import BadInput, ConfigError
from rag.core.explain import MAX_MISTAKES
from rag.core.settings import ConfigErrors, check, load, secret
from rag.core.wording import FORMS, annotation_of, pattern_of
from tests.configurations import BOT, EVALUATION, INDEX, RAG, SOUND, VARIABLES, WIKI, write
from tests.definitions import models, source_text


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUD_KEY", raising=False)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def mistakes(root: Path, changes: Mapping[str, str | bytes | None]) -> list[ConfigError]:
    """Of the sound configuration with these files in their place."""
    write(root, changes)
    try:
        check(root)
    except ConfigErrors as errors:
        return errors.errors
    return []


def told(root: Path, changes: Mapping[str, str | bytes | None]) -> list[str]:
    """Each mistake as a person reads it, without the folder."""
    return [str(each).removeprefix(f"{root}/") for each in mistakes(root, changes)]


def change(name: str, old: str, new: str) -> dict[str, str]:
    assert SOUND[name].count(old) >= 1
    return {name: SOUND[name].replace(old, new, 1)}


# --- a sound configuration -----------------------------------------------------------------------


def test_a_sound_configuration(tmp_path: Path) -> None:
    found = check(write(tmp_path))
    assert list(found.sources) == ["courses", "tickets", "wiki"]
    assert isinstance(found.sources["courses"], CatalogueSource)
    assert isinstance(found.sources["tickets"], RecordsSource)
    assert isinstance(found.rag.engine, ServerEngine)
    assert found.rag.generators["llama"].egress == "campus"
    assert found.indexes["campus"].sources == ("wiki", "courses", "tickets")
    assert found.bots["it-support"].retriever.dense_weight == {"de": 0.2, "en": 0.6}
    assert load(tmp_path) == found


def test_facets_of_an_index_are_those_of_its_sources(tmp_path: Path) -> None:
    found = check(write(tmp_path))
    types = {name: facet.type for name, facet in found.facets("campus").items()}
    assert types == {"level": "keyword", "ects": "integer"}


def test_paths_are_read_from_the_folder_of_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    changes = {
        "evaluations/home.yaml": "bot: it-support\ncases: [~/cases.jsonl, ~no-body/x, /a/b]\n",
        **change("rag.yaml", "    egress: campus\n", "    egress: campus\n    ca_file: ca/x.pem\n"),
    }
    write(tmp_path / "config", changes)
    monkeypatch.chdir(tmp_path)
    found = load(Path("config"))
    data = tmp_path / "config" / "data"
    assert found.root == tmp_path / "config"
    assert found.prompts == tmp_path / "config" / "bots" / "prompts"
    assert found.sources["wiki"].path == data / "wiki"
    assert found.sources["tickets"].path == data / "*.jsonl"
    assert found.evaluations["it-support"].cases == (data / "cases.jsonl",)
    home, nobody, absolute = found.evaluations["home"].cases
    assert home == Path("/home/somebody/cases.jsonl")
    assert nobody == tmp_path / "config" / "evaluations" / "~no-body" / "x"
    assert absolute == Path("/a/b")
    llama = found.rag.generators["llama"]
    assert isinstance(llama, TgiGenerator)
    assert llama.ca_file == tmp_path / "config" / "ca" / "x.pem"


def test_both_endings_are_read(tmp_path: Path) -> None:
    changes = {
        "rag.yaml": None,
        "rag.yml": RAG,
        "sources/wiki.yaml": None,
        "sources/wiki.YML": WIKI,
    }
    assert "wiki" in check(write(tmp_path, changes)).sources


def test_what_editors_leave_behind_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"bots/it-support.yaml~": "[", "bots/.it.yaml.swp": "[", "bots/notes.txt": "["})
    (tmp_path / "bots" / ".#it-support.yaml").symlink_to("somebody@somewhere")
    assert list(check(tmp_path).bots) == ["it-support"]


def test_an_empty_rag_yaml_takes_every_default(tmp_path: Path) -> None:
    changes: dict[str, str | bytes | None] = {
        "rag.yaml": "# nothing\n",
        **change("bots/it-support.yaml", "llama", "extractive"),
    }
    changes["bots/it-support.yaml"] = BOT.replace("llama", "extractive").replace(
        "fallbacks:\n  - quotes\n", ""
    )
    found = check(write(tmp_path, changes))
    assert list(found.rag.generators) == ["extractive"]
    assert list(found.rag.embedders) == ["default"]


def test_variables_stand_for_every_kind_of_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOST": "tgi", "LIMIT": "7", "WARM": "1.5", "GRPC": "false"}.items():
        monkeypatch.setenv(name, value)
    changes = {
        "rag.yaml": RAG.replace("http://tgi.example", "http://${HOST}.example")
        .replace("temperature: 0.2", "temperature: ${WARM}")
        .replace("  kind: server\n", "  kind: ${ENGINE:-server}\n  grpc: ${GRPC}\n"),
        "bots/it-support.yaml": BOT.replace("limit: 5", "limit: ${LIMIT}"),
    }
    found = check(write(tmp_path, changes))
    llama = found.rag.generators["llama"]
    assert isinstance(llama, TgiGenerator)
    assert (llama.url, llama.sampling.temperature) == ("http://tgi.example:8080", 1.5)
    assert found.bots["it-support"].retriever.limit == 7
    assert isinstance(found.rag.engine, ServerEngine)
    assert not found.rag.engine.grpc


# --- one mistake: file, line, key, what was expected, what to do ---------------------------------

RAG_MISTAKES = [
    ("url: http://tgi", "ulr: http://tgi", "12: generators.llama.ulr", "mean “url”?"),
    ("temperature: 0.2", "temprature: 0.2", "16: generators.llama.sampling.temprature", "“temper"),
    (
        "sampling:\n      temp",
        "timeouts:\n      temp",
        "16: generators.llama.timeouts.temperature",
        "Known",
    ),
    (
        "    sampling:\n      temp",
        "    temp",
        "15: generators.llama.temperature",
        "Did you mean “sampling.temperature”?",
    ),
    ("http:\n", "htpp:\n", "23: htpp", "This key is not known. Did you mean “http”?"),
    ("name: helpdesk", "nmae: helpdesk", "26: http.identity.api_keys.0.nmae", "mean “name”?"),
    (
        "temperature: 0.2",
        "temperature: warm",
        "16: generators.llama.sampling.temperature",
        "Expected a number from 0 to 2, not “warm”.",
    ),
    (
        "temperature: 0.2",
        "seed: 1.5",
        "16: generators.llama.sampling.seed",
        "Expected a whole number of at least 0, not “1.5”.",
    ),
    ("0.2", ".nan", "16: generators.llama.sampling.temperature", "not “.nan”."),
    ("0.2", ".inf", "16: generators.llama.sampling.temperature", "not “.inf”."),
    ("0.2", "[1]", "16: generators.llama.sampling.temperature", "not a list."),
    (
        "      temperature: 0.2\n",
        "",
        "15: generators.llama.sampling",
        "Expected the keys max_tokens, temperature, top_p, frequency_penalty, …, but nothing",
    ),
    ("    url: http://tgi.example:8080\n", "", "10: generators.llama.url", "This key is missing."),
    (
        "    kind: tgi\n",
        "",
        "10: generators.llama.kind",
        "This key is missing. Add it: one of extractive, tgi, openai.",
    ),
    (
        "kind: tgi",
        "kind: tgl",
        "11: generators.llama.kind",
        "Expected one of extractive, tgi, openai, not “tgl”. Did you mean “tgi”?",
    ),
    ("kind: tgi", "kind:", "11: generators.llama.kind", "but nothing stands here."),
    ("kind: tgi", "kind: [tgi]", "11: generators.llama.kind", "not a list."),
    ("kind: tgi", "kind: {tgi: 1}", "11: generators.llama.kind", "not keys with values."),
    (
        "egress: campus",
        "egress: no",
        "13: generators.llama.egress",
        "Expected one of campus, external, not “no”.",
    ),
    (
        "  llama:",
        "  Llama 3:",
        "10: generators.Llama 3",
        "Expected a name, not “Llama 3”. A name has",
    ),
    (
        "http://tgi.example:8080",
        "tgi.example:8080",
        "12: generators.llama.url",
        "Expected a web address, and this is none. It begins with https:// or http://.",
    ),
    (
        "[public, staff]",
        "public",
        "28: http.identity.api_keys.0.labels",
        "Expected a list of labels, not “public”.",
    ),
    (
        "[public, staff]",
        "[]",
        "28: http.identity.api_keys.0.labels",
        "Expected a list of labels, but it is empty.",
    ),
    (
        "[public, staff]",
        "[Staff]",
        "28: http.identity.api_keys.0.labels.0",
        "Expected a label, not “Staff”. A label has lower-case letters",
    ),
    (
        "[public, staff]",
        "[public, no]",
        "28: http.identity.api_keys.0.labels.1",
        'Expected a label, and no without quotes is none. Write "no".',
    ),
    ("model: gpt", "model: 4.0", "22: generators.cloud.model", 'none. Write "4.0".'),
    ("default: {}", "default: e5", "6: embedders.default", "Expected the keys kind, model"),
]

SOURCE_MISTAKES = [
    ("wiki", 'match: "**"', 'mach: "**"', "5: labels.0.mach", "Did you mean “match”?"),
    ("wiki", "type: keyword", "type: keywrd", "9: facets.level.type", "Did you mean “keyword”?"),
    (
        "wiki",
        "  level:",
        "  Level-1:",
        "8: facets.Level-1",
        "Expected a facet name, not “Level-1”.",
    ),
    (
        "wiki",
        "type: keyword",
        "type: integer\n    many: yes",
        "10: facets.level.many",
        "Only a list of keywords or dates can be filtered.",
    ),
    ("wiki", "path: ../data/wiki", "path: [x]", "2: path", "Expected a path, not a list."),
    ("wiki", "path: ../data/wiki", "path:", "2: path", "but nothing stands here. Write a value."),
    ("wiki", "{name}", "{nmae}", "3: url", "Only {path}, {name} and {stem} can stand in braces."),
    ("courses", '"{Titel}"', "{Titel}", "4: title", 'quotes is none. Write "{Titel}".'),
    ("courses", '"{Nummer}"', "{Nummer}", "3: key", 'quotes is none. Write "{Nummer}".'),
    (
        "courses",
        '"{Titel}"',
        "[x]",
        "4: title",
        "Expected a text or the keys de, en, not a list.",
    ),
    ("courses", '"{Titel}"', "2026", "4: title", 'Write "2026".'),
    ("courses", '"{Titel}"', '{de: "{T}"}', "4: title.en", "This key is missing. Add it: a text."),
    ("courses", "  de:", "  dee:", "6: text.dee", "Did you mean “de”?"),
    (
        "courses",
        "[public]",
        "public",
        "8: labels",
        "Expected a list of labels or the keys column, map, not “public”.",
    ),
    ("courses", "[public]", "{column: x, map: {a: b}}", "8: labels.map.a", "not “b”."),
    ("courses", "key:", "delimiter: ab\nkey:", "3: delimiter", "Expected at most 1 character."),
    ("courses", "key:", "encoding: utf-9\nkey:", "3: encoding", "Try utf-8-sig"),
    (
        "courses",
        "column: ECTS",
        "column: ECTS\n  etcs: {column: X}",
        "15: columns.etcs",
        "There is no facet “etcs”. Did you mean “ects”?",
    ),
    (
        "courses",
        "facets:",
        "facets:\n  level: {type: integer}",
        "10: facets.level",
        "This facet has no column. Add columns.level.",
    ),
    ("tickets", "kind: records", "kind: record", "1: kind", "Did you mean “records”?"),
]

OTHER_MISTAKES = [
    ("indexes/campus.yaml", "  - wiki", "  - wikki", "2: sources.0", "There is no source “wikki”."),
    ("indexes/campus.yaml", "180", "20", "6: chunking.max_tokens", "from 32 to 8,192, not “20”."),
    (
        "indexes/campus.yaml",
        "chunking:",
        "embedder: deflt\nchunking:",
        "5: embedder",
        "There is no embedder “deflt”. Did you mean “default”?",
    ),
    (
        "bots/it-support.yaml",
        "generator: llama",
        "generator: lama",
        "6: generator",
        "There is no generator “lama”. Did you mean “llama”?",
    ),
    ("bots/it-support.yaml", "  - quotes", "  - quote", "8: fallbacks.0", "mean “quotes”?"),
    (
        "bots/it-support.yaml",
        "index: campus",
        "index: kampus",
        "4: index",
        "There is no index “kampus”. Did you mean “campus”?",
    ),
    (
        "bots/it-support.yaml",
        "[wiki, tickets]",
        "[wiki, ticket]",
        "5: sources.1",
        "There is no source “ticket”. Did you mean “tickets”?",
    ),
    (
        "bots/it-support.yaml",
        "index: campus",
        "prompt: cite\nindex: campus",
        "4: prompt",
        "There is no prompt “cite”. Did you mean “cited”?",
    ),
    ("bots/it-support.yaml", "index:", "prompt: ../x\nindex:", "4: prompt", "Known: cited."),
    ("bots/it-support.yaml", "index:", "prompt: '*'\nindex:", "4: prompt", "Known: cited."),
    ("bots/it-support.yaml", "{de: 0.2", "{fr: 0.2", "11: retriever.dense_weight.fr", "of de, en"),
    ("bots/it-support.yaml", "{de: 0.2", "{de: 2", "11: retriever.dense_weight.de", "from 0 to 1"),
    (
        "bots/it-support.yaml",
        "generator: llama",
        "generator: cloud",
        "6: generator",
        "“cloud” sends text off the campus, and this bot does not allow it. Choose another",
    ),
    ("bots/it-support.yaml", "  - quotes", "  - cloud", "8: fallbacks.0", "off the campus"),
    (
        "evaluations/it-support.yaml",
        "it-support",
        "it",
        "1: bot",
        "There is no bot “it”. Known: it-s",
    ),
    (
        "evaluations/it-support.yaml",
        "bot:",
        "k: 50\nlimit: 20\nbot:",
        "2: limit",
        "It can't be smaller than k.",
    ),
    (
        "evaluations/it-support.yaml",
        "cases.jsonl",
        "kases.jsonl",
        "3: cases.0",
        "“../data/kases.jsonl” does not exist. Mend the path",
    ),
]


MISTAKES = [
    *(("rag.yaml", *each) for each in RAG_MISTAKES),
    *((f"sources/{each[0]}.yaml", *each[1:]) for each in SOURCE_MISTAKES),
    *OTHER_MISTAKES,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each[0]}:{each[3]}")
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, mistake: tuple[str, str, str, str, str]
) -> None:
    name, old, new, place, words = mistake
    found = told(tmp_path, change(name, old, new))
    (line,) = [each for each in found if each.startswith(name)]
    assert line.startswith(f"{name}:{place}: ")
    assert words in line


# --- one mistake is one message ------------------------------------------------------------------


def test_a_misspelt_key_is_not_also_a_missing_one(tmp_path: Path) -> None:
    found = told(tmp_path, change("rag.yaml", "url: http://tgi", "urll: http://tgi"))
    assert found == [
        "rag.yaml:12: generators.llama.urll: This key is not known. Did you mean “url”?"
    ]


def test_another_key_in_the_place_of_a_missing_one_tells_both(tmp_path: Path) -> None:
    found = told(tmp_path, change("sources/wiki.yaml", "path: ", "folder: "))
    assert [each.split(": ")[1] for each in found] == ["path", "folder"]
    assert "This key is missing. Add it: a path." in found[0]


def test_a_mistaken_file_is_still_there_for_those_who_name_it(tmp_path: Path) -> None:
    broken = dict.fromkeys(("rag.yaml", "sources/wiki.yaml", "indexes/campus.yaml"), "[")
    found = told(tmp_path, {**broken, "bots/it-support.yaml": "- 1"})
    assert [each.split(":")[0] for each in found] == [
        "bots/it-support.yaml",
        "indexes/campus.yaml",
        "rag.yaml",
        "sources/wiki.yaml",
    ]


def test_names_in_a_mistaken_rag_yaml_are_known(tmp_path: Path) -> None:
    changes = {
        "rag.yaml": RAG.replace("0.2", "warm"),
        "bots/it-support.yaml": BOT.replace("llama", "lama"),
    }
    found = told(tmp_path, changes)
    assert [each.split(": ")[0] for each in found] == ["bots/it-support.yaml:6", "rag.yaml:16"]
    assert "Did you mean “llama”?" in found[0]


def test_a_source_that_is_missing_is_told_where_it_is_named_first(tmp_path: Path) -> None:
    found = told(tmp_path, change("indexes/campus.yaml", "- wiki", "- wikki"))
    assert found == [
        "indexes/campus.yaml:2: sources.0: There is no source “wikki”. Did you mean “wiki”?"
    ]


def test_a_bot_may_only_take_sources_of_its_index(tmp_path: Path) -> None:
    found = told(tmp_path, change("indexes/campus.yaml", "  - tickets\n", ""))
    expected = "The index “campus” does not hold the source “tickets”. Add it there, or remove"
    assert len(found) == 1
    assert found[0].startswith(f"bots/it-support.yaml:5: sources.1: {expected}")


def test_two_sources_of_an_index_agree_about_a_facet(tmp_path: Path) -> None:
    changes = {
        **change(
            "sources/courses.yaml", "  ects:\n    type: integer", "  level:\n    type: integer"
        ),
        "indexes/other.yaml": INDEX,
    }
    changes["sources/courses.yaml"] = changes["sources/courses.yaml"].replace("  ects:", "  level:")
    found = told(tmp_path, changes)
    assert found == [
        "sources/courses.yaml:10: facets.level: This facet is integer here and keyword in the "
        f"source “wiki”; the index “{index}” holds both. Give both the same type, or rename one."
        for index in ("campus", "other")
    ]


def test_an_external_generator_may_be_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_KEY", "set")
    changed = BOT.replace("llama", "cloud") + "egress:\n  allow_external: true\n"
    assert mistakes(tmp_path, {"bots/it-support.yaml": changed}) == []


# --- whole files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"rag.yaml": None},
            "rag.yaml:1: There is no such file. Create it; an empty one takes every",
        ),
        ({"rag.yml": RAG}, "rag.yml:1: rag.yaml has the same name. Rename one of the two."),
        (
            {"bots/it-support.yml": BOT},
            "bots/it-support.yml:1: it-support.yaml has the same name. Rename one of the two.",
        ),
        ({"bots/IT.yaml": BOT}, "bots/IT.yaml:1: “IT” can't be a name. A name has lower-case"),
        ({"bots/x\n.yaml": "["}, "bots:1: “x\\n” can't be a name."),
        ({"bots/\udcff.yaml": "["}, "bots:1: “\\udcff” can't be a name."),
        (
            {"bots/it-support.yaml": "# later\n"},
            "bots/it-support.yaml:1: The file is empty. It needs title, index, generator, refusal.",
        ),
        (
            {"sources/wiki.yaml": ""},
            "sources/wiki.yaml:1: The file is empty. Write its kind first: files, records, cata",
        ),
        (
            {"indexes/campus.yaml": "- wiki\n"},
            "indexes/campus.yaml:1: Expected the keys sources, embedder, chunking, guard, …, not a",
        ),
        (
            {"sources/wiki.yaml": "- kind: files\n"},
            "sources/wiki.yaml:1: Expected keys, among them kind: files, records, catalogue, not a",
        ),
        (
            {"rag.yaml": "nonsense"},
            "rag.yaml:1: Expected the keys engine, embedders, generators, h",
        ),
        ({"rag.yaml": b"\x00\x01\x02"}, "rag.yaml:1: This line holds the control character 0x00."),
        ({"rag.yaml": "x" * 2_000_000}, "rag.yaml:1: The file is larger than 1,000,000 bytes."),
        (
            {"bots/prompts/cited.en.j2": None},
            "bots/it-support.yaml:1: prompt: There is no file bots/prompts/cited.en.j2. Write it;",
        ),
        (
            {"bot/it.yaml": BOT},
            "bot:1: Nobody reads the YAML files in this folder. Did you mean “bots”?",
        ),
    ],
)
def test_what_is_wrong_with_a_whole_file(
    tmp_path: Path, changes: dict[str, str | bytes | None], expected: str
) -> None:
    (found,) = told(tmp_path, changes)
    assert found.startswith(expected)


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (found,) = told(tmp_path, {"evaluations/it-support.yaml": None, "evaluations": "x"})
    assert found.startswith("evaluations:1: The folder can't be listed: Not a directory.")


@pytest.mark.parametrize("name", ["missing", "data/courses.csv"])
def test_the_configuration_is_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path) / name)
    assert str(caught.value) == (
        f"{tmp_path / name}:1: This is no folder. Name a folder with --config or RAG_CONFIG."
    )


def test_mistakes_of_all_files_are_told_at_once_in_order(tmp_path: Path) -> None:
    changes: dict[str, str | bytes | None] = {
        "rag.yaml": RAG.replace("0.2", "warm").replace("kind: server", "kind: serve"),
        "sources/wiki.yaml": WIKI + "path: again\nx: ${MISSING}\ny: 1\n",
        "sources/courses.yaml": "{",
        "indexes/campus.yaml": INDEX + "  min_tokens: -1\nkeep: 0\n",
        "bots/it-support.yaml": BOT.replace("campus", "x").replace("llama", "y"),
        "evaluations/it-support.yaml": EVALUATION.replace("it-support", "z"),
    }
    found = mistakes(tmp_path, changes)
    places = [(str(each.file.relative_to(tmp_path)), each.line) for each in found]
    assert places == sorted(places)
    assert places == [
        ("bots/it-support.yaml", 4),
        ("bots/it-support.yaml", 6),
        ("evaluations/it-support.yaml", 1),
        ("indexes/campus.yaml", 7),
        ("indexes/campus.yaml", 8),
        ("rag.yaml", 2),
        ("rag.yaml", 16),
        ("sources/courses.yaml", 1),
        ("sources/wiki.yaml", 10),
        ("sources/wiki.yaml", 11),
        ("sources/wiki.yaml", 12),
    ]
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path)
    assert caught.value.message == "11 mistakes in the configuration."
    assert str(caught.value).splitlines() == [str(each) for each in found]


def test_a_long_row_of_mistakes_is_cut(tmp_path: Path) -> None:
    keys = "".join(f"key{i}: 1\n" for i in range(5_000))
    found = mistakes(tmp_path, {"indexes/campus.yaml": INDEX + keys})
    assert len(found) == MAX_MISTAKES + 1
    assert "indexes/campus.yaml:1: This file has 4,900 more mistakes." in str(found[0])


# --- what the machine must have ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("QDRANT_KEY", "4: engine.api_key_env"),
        ("TGI_KEY", "14: generators.llama.api_key_env"),
        ("DESK_KEY", "27: http.identity.api_keys.0.key_env"),
        ("STORE_URL", "30: store.url_env"),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_used_must_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, place: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    message = f"The environment variable {variable} is not set."
    mend = f"Set it, for example: export {variable}=…"
    assert told(tmp_path, {}) == [f"rag.yaml:{place}: {message} {mend}"]
    assert load(tmp_path).rag.generators


def test_a_generator_that_nobody_uses_may_lack_its_key(tmp_path: Path) -> None:
    assert "CLOUD_KEY" not in os.environ
    assert mistakes(tmp_path, {}) == []


def test_every_field_that_names_a_variable_is_looked_at() -> None:
    """The name of the field says so, and its type."""
    for model in models():
        hints = get_type_hints(model, include_extras=True)
        for name in model.model_fields:
            assert name.endswith("_env") == (hints[name] in (Variable, Variable | None)), name


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data/wiki/vpn.md": None}, "sources/wiki.yaml:2: path: “../data/wiki” does not exist."),
        (
            {"data/wiki/vpn.md": None, "data/wiki": ""},
            "sources/wiki.yaml:2: path: “../data/wiki” is no",
        ),
        (
            {"data/courses.csv": None},
            "sources/courses.yaml:2: path: “../data/courses.csv” does not",
        ),
        (
            {"data/tickets.jsonl": None, "data/cases.jsonl": None},
            "sources/tickets.yaml:2: path: “../data/*.jsonl” matches no file.",
        ),
        (
            {"sources/tickets.yaml": SOUND["sources/tickets.yaml"].replace("*", "x**")},
            "sources/tickets.yaml:2: path: “../data/x**.jsonl” can't be read as a glob",
        ),
        (
            {"sources/courses.yaml": SOUND["sources/courses.yaml"].replace("courses", "x" * 300)},
            "sources/courses.yaml:2: path: “../data/xxx",
        ),
        (
            {"rag.yaml": RAG.replace("api_key_env: TGI", "ca_file: ca.pem\n    api_key_env: TGI")},
            "rag.yaml:14: generators.llama.ca_file: “ca.pem” does not exist.",
        ),
        (
            {"rag.yaml": RAG.replace("  api_key_env: Q", "  ca_file: data\n  api_key_env: Q")},
            "rag.yaml:4: engine.ca_file: “data” is no file.",
        ),
    ],
)
def test_paths_must_lead_somewhere(
    tmp_path: Path, changes: dict[str, str | bytes | None], expected: str
) -> None:
    found = told(tmp_path, changes)
    assert found[-1].startswith(expected)
    assert load(tmp_path).sources


def test_a_secret_is_read_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "value")
    assert secret("SOME_KEY") == "value"
    assert secret(None) is None


@pytest.mark.parametrize("variables", [{}, {"SOME_KEY": ""}])
def test_a_secret_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    monkeypatch.setattr(os, "environ", variables)
    with pytest.raises(BadInput) as caught:
        secret("SOME_KEY")
    assert str(caught.value) == (
        "The environment variable SOME_KEY is not set. Set it, for example: export SOME_KEY=…"
    )


# --- nothing that a variable holds is ever told --------------------------------------------------

YAML_FILES = [name for name in SOUND if name.endswith(".yaml")]


def scalars(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every single value in it, as the container and the key that hold it."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(value, dict | list) and value:
            yield from scalars(value)
        else:
            yield data, key


@pytest.mark.parametrize("name", YAML_FILES)
@pytest.mark.parametrize("canary", ["CANARY_7F3A", "https://u:{canary-7f3a}@x/../", "7300001"])
def test_no_message_holds_the_value_of_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, canary: str
) -> None:
    """In every place of every file, alone and inside of a text."""
    monkeypatch.setenv("CANARY", canary)
    count = len(list(scalars(yaml.safe_load(SOUND[name]))))
    told_something = 0
    for i in range(count):
        for template in ("${CANARY}", "x${CANARY}"):
            data = yaml.safe_load(SOUND[name])
            container, key = list(scalars(data))[i]
            container[key] = template
            found = mistakes(tmp_path, {name: yaml.safe_dump(data, sort_keys=False)})
            told_something += bool(found)
            assert not [str(each) for each in found if canary in str(each)]
    assert told_something > count / 2


def test_a_pasted_secret_is_not_told(tmp_path: Path) -> None:
    changed = RAG.replace("TGI_KEY", "sk-canary").replace("http://tgi", "htp://u:canary@tgi")
    changed = changed.replace("DESK_KEY", "123456789").replace("QDRANT_KEY", "[canary]")
    found = told(tmp_path, {"rag.yaml": changed.replace("STORE_URL", "{canary: canary}")})
    assert len(found) == 5
    assert not [each for each in found if "canary" in each or "123456789" in each]
    assert sum("Keep the secret itself out of the file." in each for each in found) >= 2


# --- anything at all -----------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sound"))


def checked(root: Path, name: str, content: bytes) -> list[ConfigError] | None:
    """None where it is sound; anything but ConfigErrors escapes."""
    try:
        (root / name).write_bytes(content)
        check(root)
    except ConfigErrors as errors:
        return errors.errors
    finally:
        (root / name).write_bytes(SOUND[name].encode())
    return None


def assert_readable(root: Path, found: list[ConfigError] | None) -> None:
    assert found != []
    for each in found or []:
        assert each.message
        assert each.file.exists()
        assert "\n" not in str(each).replace(str(root), "")


@settings(max_examples=100, deadline=timedelta(seconds=10))
@given(name=st.sampled_from(YAML_FILES), content=st.binary(max_size=60))
def test_any_bytes_are_a_configuration_or_mistakes(sound: Path, name: str, content: bytes) -> None:
    assert_readable(sound, checked(sound, name, content))


@settings(max_examples=200, deadline=timedelta(seconds=10))
@given(name=st.sampled_from(YAML_FILES), value=VALUES, data=st.data())
def test_any_value_in_any_place_is_sound_or_a_mistake(
    sound: Path, name: str, value: object, data: st.DataObject
) -> None:
    document = yaml.safe_load(SOUND[name])
    place = data.draw(st.sampled_from(list(containers(document))))
    key = data.draw(st.sampled_from(list(place)) if isinstance(place, dict) else st.just(0))
    if data.draw(st.booleans()) or isinstance(place, list):
        place[key] = value
    else:
        place[data.draw(st.text(max_size=6))] = place.pop(key)
    content = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")
    assert_readable(sound, checked(sound, name, content))


def containers(data: Any) -> Iterator[Any]:
    if isinstance(data, dict | list) and data:
        yield data
        for each in data.values() if isinstance(data, dict) else data:
            yield from containers(each)


# --- the definitions themselves ------------------------------------------------------------------


def test_every_form_of_a_text_has_words() -> None:
    assert not re.search(r"pattern=r?\"", source_text())
    for model in models():
        for field in model.model_fields.values():
            pattern = pattern_of(annotation_of(field))
            assert pattern is None or pattern in FORMS


def test_every_folder_is_read() -> None:
    assert set(FOLDERS) == {"sources", "indexes", "bots", "evaluations"}
