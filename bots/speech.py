"""From the pieces that a model server sends to tokens and one finish."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from bots.fence import CONTROL
from bots.patience import Speech
from rag.core.answers import Finish, Token
from rag.core.errors import RetryLater

# What could still become a control token when more text comes.
_BEGUN = re.compile(r"<[^\s>]{0,44}$|\[/?[A-Z_]{0,18}$")
_CUT_OFF = frozenset({"length", "content_filter"})
_FAILED = frozenset({"error", "abort"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A piece of a stream. `reason` comes with the last text, `usage` (input, output) after it."""

    text: str = ""
    reason: str | None = None
    usage: tuple[int, int] | None = None


class Ending:
    """Takes out the control tokens that some servers let through, and all that follows one.

    A model that goes on after its own end of turn talks to itself. Before the first word such a
    token is left out alone.
    """

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._over = False

    def feed(self, text: str) -> str:
        """Take the next piece; what is certain by now."""
        if self._over:
            return ""
        self._held += text
        while found := CONTROL.search(self._held):
            before = self._held[: found.start()]
            if self._begun or before.strip():
                self._over = True
                return self._give(before, rest="")
            self._held = self._held[found.end() :]
        begun = _BEGUN.search(self._held)
        end = begun.start() if begun else len(self._held)
        return self._give(self._held[:end], rest=self._held[end:])

    def close(self) -> str:
        """What was held back and has become no control token."""
        return self._give(self._held, rest="")

    def _give(self, text: str, *, rest: str) -> str:
        self._held = rest
        self._begun = self._begun or bool(text.strip())
        return text


async def speech(pieces: AsyncGenerator[Said, None], *, name: str, given: frozenset[int]) -> Speech:
    """Tokens, then the finish.

    Once a reason to finish has come, the answer is whole: what becomes of the connection after it
    is no failure.

    Raises:
        RetryLater: the pieces ended without a reason, or with a failure as their reason.
    """
    ending = Ending()
    last = Said()
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if text := ending.feed(piece.text):
                    yield Token(text=text)
                last = Said(reason=piece.reason or last.reason, usage=piece.usage or last.usage)
    except RetryLater:
        if last.reason is None:
            raise
    if last.reason is None or last.reason in _FAILED:
        raise RetryLater(f"{name} ended its answer without finishing it.", mend="Ask again.")
    if text := ending.close():
        yield Token(text=text)
    yield _finish(last, name, given)


def _finish(last: Said, name: str, given: frozenset[int]) -> Finish:
    incoming, outgoing = last.usage or (None, None)
    return Finish(
        generator=name,
        given=given,
        cut=last.reason in _CUT_OFF,
        input_tokens=incoming,
        output_tokens=outgoing,
    )
