"""A server that runs while the index is changed under it, through the command line alone."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.integration.conftest import Rag
from tests.live_server import free_port, wait_until_ready

NEW_PAGE = """---
title: Quantendrucker
updated: 2026-11-20
---

# Quantendrucker

Der Quantendrucker im Gebäude E3 druckt verschränkte Poster. Melden Sie sich eine Woche vorher an.
"""


@pytest.fixture
def own(rag: Rag, tmp_path: Path) -> Rag:
    """A copy of the campus that a test may change."""
    shutil.copytree(rag.config, tmp_path / "config")
    shutil.copytree(rag.data, tmp_path / "data")
    return Rag(
        config=tmp_path / "config", data=tmp_path / "data", attempts=tmp_path / "attempts.txt"
    )


@contextmanager
def serving(rag: Rag) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "rag.app.cli.main", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=rag.environment(), cwd=PROJECT)
    try:
        wait_until_ready(port)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def ask(port: int, question: str) -> dict[str, Any]:
    body = json.dumps({"question": question, "stream": False}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/bots/it-support/chat",
        data=body,
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        document: dict[str, Any] = json.load(answer)
        return document


def test_a_server_takes_the_new_generation_up_by_itself(own: Rag) -> None:
    """Every command works while it runs, and no question fails meanwhile."""
    answers: list[dict[str, Any]] = []
    stopped = threading.Event()

    def keep_asking(port: int) -> None:
        while not stopped.is_set():
            answers.append(ask(port, "Wie melde ich ein Poster beim Quantendrucker an?"))
            time.sleep(0.1)

    with serving(own) as port:
        before = ask(port, "eduroam auf dem Handy")["generation"]
        asker = threading.Thread(target=keep_asking, args=(port,))
        asker.start()
        try:
            page = own.config / "sample" / "wiki" / "de" / "quantendrucker.md"
            page.write_text(NEW_PAGE, "utf-8")
            synced = own("sync", "--source", "it-wiki", "--json")
            assert synced.code == 0, synced.err
            assert own("search", "it-support", "Quantendrucker", "-n", "1").code == 0
            answer = ask(port, "Wie melde ich ein Poster beim Quantendrucker an?")
        finally:
            stopped.set()
            asker.join()
    after = synced.json()["versions"]["it-support"]
    assert before != after
    assert answer["generation"] == after
    cited = {each["record_id"] for each in answer["citations"]}
    assert "it-wiki:de/quantendrucker.md" in cited
    assert {each["generation"] for each in answers} <= {before, after}


def test_a_deleted_page_is_gone_from_the_running_server(own: Rag) -> None:
    with serving(own) as port:
        question = "Wo steht der Poster-Plotter?"
        page = own.config / "sample" / "wiki" / "de" / "poster-plotter.md"
        assert "poster-plotter" in json.dumps(ask(port, question))
        page.unlink()
        report = own("sync", "--source", "it-wiki", "--json").json()
        assert report["sources"][0]["deleted"] == 1
        shown = ask(port, question)
        assert "it-wiki:de/poster-plotter.md" not in json.dumps(shown)
