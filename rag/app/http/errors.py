"""From the error tree to HTTP: status, document, headers. Nobody outside sees a traceback.

An error speaks for itself where its words are meant for the asker. What an outage or a fault says
names hosts, paths and variables, so it goes to the log, and the asker gets words of ours.
"""

import logging
import math
import secrets
from dataclasses import dataclass
from http import HTTPStatus

from rag.app.http.documents import ErrorDocument
from rag.core.errors import (
    AccessRefused,
    BadQuestion,
    Busy,
    NotFound,
    RagError,
    Refused,
    RetryLater,
    StreamBroken,
    Unavailable,
)

RETRY_AFTER = 5.0
MAX_RETRY_AFTER = 3600

_LOG = logging.getLogger(__name__)
_AGAIN = "Try again in a moment."


class Full(Busy):
    """Every place for an answer is taken."""


class TookTooLong(RetryLater):
    """An answer did not end within its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it is shown: nothing in here may name a host, a path or a secret."""

    status: int
    type: str
    message: str
    mend: str = ""
    retry_after: int | None = None

    def document(self) -> ErrorDocument:
        """The failure as JSON."""
        return ErrorDocument.of(self.type, self.message, self.mend)

    def headers(self) -> dict[str, str]:
        """What else goes with the status."""
        if self.retry_after is not None:
            return {"Retry-After": str(self.retry_after)}
        unknown = self.status == HTTPStatus.UNAUTHORIZED
        return {"WWW-Authenticate": "Bearer"} if unknown else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """How one kind of error is shown; without `words` it speaks for itself."""

    kind: type[RagError]
    status: int
    type: str
    words: str = ""


# The first row that fits counts.
_TABLE = (
    _Row(kind=BadQuestion, status=422, type="bad_question"),
    _Row(kind=AccessRefused, status=401, type="access_refused"),
    _Row(kind=Refused, status=403, type="refused"),
    _Row(kind=NotFound, status=404, type="not_found"),
    _Row(kind=TookTooLong, status=504, type="took_too_long"),
    _Row(kind=Full, status=503, type="busy"),
    _Row(kind=StreamBroken, status=503, type="stream_broken", words="The answer broke off."),
    _Row(kind=RetryLater, status=503, type="retry_later", words="There is no answer just now."),
    _Row(kind=Unavailable, status=503, type="unavailable", words="This service is not complete."),
)


def failure_of(error: Exception) -> Failure:
    """What the asker is told about the error; what they are not told goes to the log."""
    for row in _TABLE:
        if isinstance(error, row.kind):
            return _foreseen(row, error)
    return _fault(error)


def _foreseen(row: _Row, error: RagError) -> Failure:
    if row.words:
        _LOG.warning("No answer: %s", error)
    return Failure(
        status=row.status,
        type=row.type,
        message=row.words or error.message,
        mend=_AGAIN if row.words else error.mend,
        retry_after=_retry_after(error) if isinstance(error, RetryLater) else None,
    )


def _fault(error: Exception) -> Failure:
    incident = secrets.token_hex(4)
    _LOG.error("Incident %s", incident, exc_info=error)
    return Failure(
        status=500,
        type="internal",
        message=f"Something went wrong here. Incident {incident}.",
        mend="If it happens again, report this number to those who run the service.",
    )


def _retry_after(error: RetryLater) -> int:
    """Whole seconds, as HTTP wants them."""
    advice = RETRY_AFTER if error.after is None else error.after
    return min(max(1, math.ceil(advice)), MAX_RETRY_AFTER)
