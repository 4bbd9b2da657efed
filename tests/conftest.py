"""What every test shares: no network in unit tests, and deselection of what can't run here."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
OUTSIDE_DATA = "RAG_TEST_DATA"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(OUTSIDE_DATA):
        return
    outside = [item for item in items if item.get_closest_marker("outside_data")]
    if outside:
        config.hook.pytest_deselected(items=outside)
        items[:] = [item for item in items if item not in outside]


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder for tests that write many versions of an index: in memory, where there is room.

    Only tests of durability need a disk.
    """
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 * 2**30
    with tempfile.TemporaryDirectory(dir=memory if has_room else None) as folder:
        yield Path(folder)


@pytest.fixture
def outside_data() -> Path:
    """The folder of public corpora."""
    return Path(os.environ[OUTSIDE_DATA])


@pytest.fixture(autouse=True)
def _no_network_in_unit_tests(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (TESTS / "unit") in request.path.parents:

        def refuse(*arguments: object, **_: object) -> None:
            raise AssertionError(f"A unit test reached for the network: {arguments}")

        for name in ("connect", "connect_ex", "sendto"):
            monkeypatch.setattr(socket.socket, name, refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
