"""Runs the examples of a page against a server, and holds what comes against what the page shows.

In what is shown, `…` stands for anything: inside of a text for any characters, alone in a line for
any number of lines, alone in a list for any number of entries, in the place of a value for any
value. Scores, seconds and times vary, so only their kind counts.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.documentation import Block, Page

DOCUMENTED = "http://127.0.0.1:8000"
ANYTHING = "…"
_SHOWN = ("json", "text", "http")
_A_TIME = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server, and the environment in which its clients run."""

    base: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """The text with this server's address for the documented one."""
        return text.replace(DOCUMENTED, self.base)


def wrong_examples(page: Page, server: Server) -> Iterator[str]:
    """What the page shows otherwise than it is, example by example."""
    following = (*page.blocks[1:], Block(place="", language="", text=""))
    for block, shown in zip(page.blocks, following, strict=True):
        if block.language == "python":
            found: Any = run_python(block.text, server)
        elif block.language == "console" and "$ curl " in block.text:
            found = run_curl(block, server)
        else:
            continue
        if shown.language not in _SHOWN:
            yield f"{block.place}: nothing shows what comes"
        elif difference := unlike(parsed(shown), parsed_answer(found, shown.language)):
            yield f"{shown.place}: {difference}"


def run_python(text: str, server: Server) -> str:
    """What the program prints, or how it failed."""
    done = subprocess.run(
        [sys.executable, "-c", server.here(text)],
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def run_curl(block: Block, server: Server) -> httpx.Response:
    """The answer to the last request of the block."""
    variables = dict(server.environment)
    response: httpx.Response | None = None
    for command in block.commands():
        program, *words = shlex.split(command)
        if program == "export":
            name, _, value = words[0].partition("=")
            variables.setdefault(name, value)
            continue
        words = [re.sub(r"\$(\w+)", lambda found: variables[found[1]], word) for word in words]
        method, url, headers, body = request_of(words)
        response = httpx.request(
            method, server.here(url), headers=headers, content=body, timeout=60
        )
    assert response is not None
    return response


def request_of(words: Sequence[str]) -> tuple[str, str, dict[str, str], bytes | None]:
    """The request that curl would make: method, URL, headers, body.

    Raises:
        ValueError: an option that the examples don't need.
    """
    # What curl itself would send, where httpx would send more.
    headers = {"Accept": "*/*"}
    url, body = "", None
    rest = iter(words)
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(rest).encode()
        elif word.startswith("http"):
            url = word
        elif not re.fullmatch(r"-[sNi]+", word):
            raise ValueError(f"curl {word}")
    return ("GET" if body is None else "POST"), url, headers, body


def parsed(shown: Block) -> Any:
    """What a block shows, as `parsed_answer` gives what came."""
    if shown.language == "json":
        return {"status": 200, "headers": {}, "body": json.loads(shown.text)}
    if shown.language == "http":
        head, _, body = shown.text.partition("\n\n")
        status, *headers = head.splitlines()
        return {
            "status": int(status.split()[1]),
            "headers": dict(line.lower().split(": ", 1) for line in headers),
            "body": json.loads(body),
        }
    return events(shown.text) if "event: " in shown.text else shown.text.strip()


def parsed_answer(found: Any, language: str) -> Any:
    """What came, in the form in which it is shown; of the headers only what may be shown."""
    if isinstance(found, str):
        return found.strip()
    if language == "text":
        is_stream = found.headers["content-type"].startswith("text/event-stream")
        return events(found.text) if is_stream else found.text
    headers = dict(found.headers.items()) if language == "http" else {}
    return {
        "status": found.status_code,
        "headers": {name.lower(): value.lower() for name, value in headers.items()},
        "body": found.json(),
    }


def events(text: str) -> list[Any]:
    """Server-sent events with their data, without the comments between them."""
    parts = (part for part in text.strip().split("\n\n") if not part.startswith(":"))
    return [ANYTHING if part == ANYTHING else _event(part) for part in parts]


def _event(text: str) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    return {"event": fields.get("event", ""), "data": json.loads(fields["data"])}


def unlike(shown: Any, found: Any, place: str = "answer") -> str:
    """Where and how what was found is not what is shown; empty where it is."""
    if shown == ANYTHING:
        return ""
    if isinstance(shown, dict) and isinstance(found, dict):
        return _unlike_object(shown, found, place)
    if isinstance(shown, list) and isinstance(found, list):
        return _unlike_list(shown, found, place)
    if isinstance(shown, str) and isinstance(found, str):
        parts = shown.replace(f"\n{ANYTHING}", ANYTHING).split(ANYTHING)
        pattern = ".*".join(re.escape(part) for part in parts)
        same = re.fullmatch(pattern, found, re.DOTALL) is not None
    elif _varies(shown):
        same = isinstance(found, int | float) and not isinstance(found, bool)
    else:
        same = type(shown) is type(found) and shown == found
    return "" if same else f"{place}: shown is {_short(shown)}, found {_short(found)}"


def _varies(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value >= _A_TIME)


def _unlike_object(shown: dict[str, Any], found: dict[str, Any], place: str) -> str:
    # Headers are shown in part; of everything else every key is.
    missing = shown.keys() - found.keys()
    unknown = set() if place.endswith(".headers") else found.keys() - shown.keys()
    if missing or unknown:
        return f"{place}: shown is {sorted(missing)} too much, and {sorted(unknown)} is not shown"
    parts = (unlike(value, found[key], f"{place}.{key}") for key, value in shown.items())
    return next((part for part in parts if part), "")


def _unlike_list(shown: list[Any], found: list[Any], place: str) -> str:
    if not shown:
        return "" if not found else f"{place}: shown is nothing, found {_short(found)}"
    first, *rest = shown
    if first == ANYTHING:
        fits = any(not unlike(rest, found[skipped:], place) for skipped in range(len(found) + 1))
        return "" if fits else f"{place}: nothing found is like {_short(rest)}: {_short(found)}"
    if not found:
        return f"{place}: shown is {_short(first)}, found nothing more"
    return unlike(first, found[0], f"{place}[]") or unlike(rest, found[1:], place)


def _short(value: Any) -> str:
    return repr(value)[:200]
