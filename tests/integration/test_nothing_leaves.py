"""The whole demo runs, and no process of it tries to reach another machine."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PROJECT
from tests.integration.conftest import Rag
from tests.live_server import free_port, wait_until_ready
from tests.network_guard.guard import REPORT


@contextmanager
def demo(rag: Rag, port: int) -> Iterator[Path]:
    """The running demo; the file holds what it says."""
    said = rag.data.parent / "demo.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "rag.app.demo", "--port", str(port)],
            env=rag.environment(),
            cwd=PROJECT,
            stdout=out,
        )
        try:
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def test_the_demo_tries_to_reach_nobody(rag: Rag) -> None:
    """From check and sync over four answers to serving: no look-up, no connection."""
    assert rag("check").code == 0
    assert rag("sync", "--full").code == 0
    port = free_port()
    with demo(rag, port) as said:
        wait_until_ready(port)
        body = json.dumps({"question": "How do I print?", "stream": False}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/bots/it-support/chat",
            data=body,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["citations"]
    text = said.read_text("utf-8")
    assert text.count("\nQuellen:\n") == text.count("\nSources:\n") == 2
    assert not rag.attempts.exists(), rag.attempts.read_text("utf-8")


def test_the_guard_sees_and_stops_an_attempt(rag: Rag, tmp_path: Path) -> None:
    """Planted: a child that phones home is stopped and recorded."""
    attempts = tmp_path / "attempts.txt"
    phone = "import urllib.request; urllib.request.urlopen('https://telemetry.example/')"
    ended = subprocess.run(
        [sys.executable, "-c", phone],
        env=rag.environment() | {REPORT: str(attempts)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "telemetry.example" in attempts.read_text("utf-8")
    assert os.environ.get(REPORT) is None
