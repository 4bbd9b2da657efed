"""Stops and records every look-up and every connection that would leave this machine.

An audit hook of the interpreter: it sees every socket that Python code opens, in whatever library,
and can't be taken off again.
"""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

REPORT = "NETWORK_GUARD_REPORT"
"""Variable with the file that attempts are appended to."""

_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class Blocked(OSError):
    """A connection that the guard stopped."""


def install(*, loopback: bool) -> None:
    """From now on nothing leaves; with `loopback` this machine itself may be reached."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        target = _target(event, arguments)
        if target is None or (loopback and _is_loopback(target)):
            return
        _report(event, target)
        raise Blocked(f"{event} to {target} is blocked in this test")

    sys.addaudithook(hook)


def _target(event: str, arguments: tuple[Any, ...]) -> str | None:
    if event in _LOOKUPS:
        return str(arguments[0])
    if event in _SENDS:
        address = arguments[1]
        # A Unix socket's address is a path, not a pair; sendmsg on a connected socket has none.
        return str(address[0]) if isinstance(address, tuple) else None
    return None


def _is_loopback(host: str) -> bool:
    if host in {"localhost", "None", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _report(event: str, target: str) -> None:
    if file := os.environ.get(REPORT):
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(f"{event} {target}\n")
