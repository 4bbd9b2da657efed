"""The sample campus, built once a session through the command line."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT, TESTS
from tests.network_guard.guard import REPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its only JSON document."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rag:
    """The command line over one configuration and one data folder, cut off from the network."""

    config: Path
    data: Path
    attempts: Path

    def environment(self) -> dict[str, str]:
        """Every child process is guarded, and reports what it tried to reach."""
        return os.environ | {
            "RAG_CONFIG": str(self.config),
            "RAG_DATA": str(self.data),
            "PYTHONPATH": str(TESTS / "network_guard"),
            REPORT: str(self.attempts),
        }

    def __call__(self, *arguments: str) -> Ran:
        """Run `rag` with the arguments."""
        done = subprocess.run(
            [sys.executable, "-m", "rag.app.cli.main", *arguments],
            env=self.environment(),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="session")
def rag(tmp_path_factory: pytest.TempPathFactory) -> Rag:
    """The sample campus, indexed."""
    folder = tmp_path_factory.mktemp("campus")
    command = Rag(config=PROJECT / "config", data=folder / "data", attempts=folder / "attempts.txt")
    built = command("sync", "--json")
    assert built.code == 0, built.err
    return command
