"""Environment variables inside of a text: `${NAME}`, `${NAME:-default}`, and `$${` for `${`."""

import re
from collections.abc import Mapping

from rag.core.errors import BadInput

# The default ends before the next brace, so that a long row of openings is read once and not often.
_REFERENCE = re.compile(
    r"\$(?:(?P<escape>\$)(?=\{)|\{(?P<name>[A-Z_][A-Z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?=\{))"
)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with the values of its variables; an empty variable counts as none.

    >>> expand("http://${HOST:-localhost}:${PORT}", {"PORT": "80"})
    'http://localhost:80'

    Raises:
        BadInput: a variable is not set, or a reference is incomplete. No value is told.
    """
    return _REFERENCE.sub(lambda found: _value(found, variables), text)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escape"]:
        return "$"
    name = found["name"]
    if name is None:
        raise BadInput(
            "${ begins a variable, and what follows is none.",
            mend="Write ${NAME} or ${NAME:-default} in capital letters, or $${ for the two "
            "characters themselves.",
        )
    value: str | None = variables.get(name) or found["default"]
    if value is None:
        mend = f"Set it, or write a default: ${{{name}:-value}}."
        raise BadInput(f"The environment variable {name} is not set.", mend=mend)
    return value
