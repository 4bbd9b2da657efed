"""Every error the framework raises on purpose, grouped by what the caller can do about it.

    RagError
    ├── BadInput           mend what was given, then try again
    │   ├── ConfigError        a YAML file: file, line, key, what was expected
    │   ├── BadQuestion        a question, a filter or a request body
    │   └── BadDocument        a file, a line or a record of a source
    │       └── BadLabels          it is not known who may see it
    ├── NotFound           name something that exists
    ├── Refused            a law of the house says no; nobody is to retry
    │   ├── EgressRefused      text would leave the campus unasked
    │   ├── AccessRefused      the asker has no identity here
    │   └── GuardRefused       a sweep would delete more than the guard allows
    ├── RetryLater         an outage or an overload: the same call may work later
    │   ├── Busy               somebody else holds the thing
    │   └── StreamBroken       an answer broke off in the middle
    ├── Damaged            what lies on disk is not what was written
    └── Unavailable        an optional part is not installed, or a model is not there

Anything else that escapes is a bug, and is shown as one.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

# Comparing longer names costs time, and a longer list is not read.
_LONGEST_NAME = 200
_MOST_NAMES = 20


class RagError(Exception):
    """Root of the tree. `message` says what happened, `mend` what to do next."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class BadInput(RagError):
    """What was given cannot be used as it is."""


class ConfigError(BadInput):
    """One mistake in one YAML file.

    `str()` is `file:line: key: what happened. What to do`, which editors turn into a link.
    """

    def __init__(
        self, message: str, *, file: Path, line: int = 1, key: str = "", mend: str = ""
    ) -> None:
        super().__init__(message, mend=mend)
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}: {key}{super().__str__()}"


class BadQuestion(BadInput):
    """A question, a filter or a request body breaks a bound or a type."""


class BadDocument(BadInput):
    """One file, line or record of a source cannot be read; the run goes on without it."""


class BadLabels(BadDocument):
    """Of one record it is not known who may see it: nobody may until that is mended."""


class NotFound(RagError):
    """A bot, source, index or evaluation of that name does not exist."""


class Refused(RagError):
    """A law of the house forbids it."""


class EgressRefused(Refused):
    """Text would leave the campus, and the definition does not allow it."""


class AccessRefused(Refused):
    """The caller could not be identified."""


class GuardRefused(Refused):
    """A sweep would delete more records than the guard allows."""


class RetryLater(RagError):
    """An upstream system is down, slow or overloaded. `after` is its own advice, in seconds."""

    def __init__(self, message: str, *, mend: str = "", after: float | None = None) -> None:
        super().__init__(message, mend=mend)
        self.after = after


class Busy(RetryLater):
    """Somebody else holds the lock or every slot is taken."""


class StreamBroken(RetryLater):
    """An answer broke off before its end; what came so far is not the answer."""


class Damaged(RagError):
    """Data on disk is unreadable or contradicts itself."""


class Unavailable(RagError):
    """An optional dependency or a model is missing on this machine."""


def near(name: str, known: Sequence[str]) -> str | None:
    """The known name that is most like it, or None where none is.

    >>> near("it-suport", ["courses", "it-support"])
    'it-support'
    """
    close = get_close_matches(name[:_LONGEST_NAME], known, n=1)
    return close[0] if close else None


def nearest(name: str, known: Sequence[str]) -> str:
    """A sentence that names what exists, the nearest first.

    >>> nearest("it-suport", ["courses", "it-support"])
    'Did you mean “it-support”?'
    >>> nearest("zzz", ["courses", "it-support"])
    'Known: courses, it-support.'
    """
    if close := near(name, known):
        return f"Did you mean “{close}”?"
    listed = ", ".join(sorted(known)[:_MOST_NAMES]) or "none"
    rest = len(known) - _MOST_NAMES
    return f"Known: {listed}, and {rest} more." if rest > 0 else f"Known: {listed}."
