"""The command line as a person uses it, on the sample campus."""

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import Rag

COMMANDS = ("check", "sync", "search", "ask", "evaluate", "serve")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(rag: Rag, command: str) -> None:
    shown = rag(command, "--help")
    assert shown.code == 0
    assert f"Example: rag {command}" in " ".join(shown.out.split())
    assert "--config" in shown.out


def test_the_example_configuration_is_sound(rag: Rag) -> None:
    assert rag("check", "--json").json()["ok"] is True


@pytest.mark.parametrize(
    ("question", "language", "page"),
    [
        ("Wie verbinde ich mein Handy mit eduroam?", "de", "it-wiki:de/"),
        ("How do I connect my phone to eduroam?", "en", "it-wiki:en/"),
    ],
)
def test_ask_answers_in_the_language_of_the_question(
    rag: Rag, question: str, language: str, page: str
) -> None:
    answer = rag("ask", "it-support", question, "--json").json()
    assert answer["language"] == language
    assert answer["refusal"] is None
    cited = {int(n) for n in re.findall(r"\[(\d+)\]", answer["text"])}
    assert cited == {each["number"] for each in answer["citations"]} != set()
    assert any(each["record_id"].startswith(page) for each in answer["citations"])
    assert answer["generator"] == "extractive"
    assert answer["generation"].startswith("g")


def test_a_second_sync_changes_nothing(rag: Rag) -> None:
    report = rag("sync", "--json")
    assert report.code == 0
    for source in report.json()["sources"]:
        assert source["passages"] == source["added"] == source["changed"] == source["deleted"] == 0
    assert rag("sync", "--json").json()["versions"] == report.json()["versions"]


def test_search_prints_what_it_found_best_first(rag: Rag) -> None:
    found = rag("search", "courses", "neuronale Netze", "-n", "5", "--json").json()
    scores = [hit["score"] for hit in found["hits"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert all(hit["record_id"].startswith("courses:") for hit in found["hits"])


def test_staff_pages_need_the_staff_label(rag: Rag) -> None:
    query = "Rufbereitschaft Telefonnummer außerhalb der Dienstzeit"
    for_all = rag("search", "it-support", query, "-n", "200", "--json").json()["hits"]
    for_staff = rag(
        "search", "it-support", query, "-n", "200", "--labels", "public,staff", "--json"
    ).json()["hits"]
    assert not any("/intern/" in hit["url"] or "notes" in hit["record_id"] for hit in for_all)
    assert any(hit["record_id"].startswith("it-wiki:intern/") for hit in for_staff)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("ask", "it-suport", "x"), 2, "Did you mean “it-support”?"),
        (("search", "it-support"), 2, "Missing argument"),
        (("sync", "--source", "nowhere"), 2, "There is no source “nowhere”"),
        (("evaluate", "nothing"), 2, "There is no evaluation “nothing”"),
        (("serve", "--host", "0.0.0.0"), 2, "--allow-open"),
        (("ask", "it-support", "   "), 2, "The question is empty"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(
    rag: Rag, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran = rag(*arguments)
    assert ran.code == code
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert not ran.out


def test_an_error_is_one_json_document_too(rag: Rag) -> None:
    ran = rag("ask", "nobody", "x", "--json")
    assert ran.code == 2
    assert ran.json()["error"]["type"] == "NotFound"


def test_a_mistake_in_yaml_is_shown_with_file_and_line(rag: Rag, tmp_path: Path) -> None:
    config = tmp_path / "config"
    shutil.copytree(rag.config, config)
    bot = config / "bots" / "courses.yaml"
    bot.write_text(bot.read_text("utf-8").replace("index:", "indx:"), "utf-8")
    ran = rag("check", "--config", str(config))
    assert ran.code == 1
    assert re.search(r"bots/courses\.yaml:\d+: indx: .*“index”", ran.err)


def test_asking_before_the_first_sync_says_what_to_do(rag: Rag, tmp_path: Path) -> None:
    ran = rag("--data", str(tmp_path), "ask", "it-support", "eduroam?")
    assert ran.code == 2
    assert "Run “rag sync”." in ran.err


def test_evaluate_reports_every_case(rag: Rag) -> None:
    ran = rag("evaluate", "courses", "--retrieval-only", "--json")
    report = ran.json()
    assert ran.code == 0
    assert len(report["cases"]) == 50
    assert {"de", "en"} <= set(report["scores"])
