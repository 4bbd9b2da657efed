"""What the chat endpoint needs of the house behind it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from rag.core.contracts import Answerer
from rag.core.settings import Settings

Ping = Callable[[], Awaitable[None]]


class Campus(Protocol):
    """The bots of one configuration, ready to be asked."""

    @property
    def settings(self) -> Settings:
        """The checked configuration."""

    def bot_names(self) -> tuple[str, ...]:
        """Every bot, in the order in which people shall see them."""

    def bot(self, name: str) -> Answerer:
        """The bot of that name.

        Raises:
            NotFound: there is none.
        """

    def pings(self) -> Mapping[str, Ping]:
        """Everything `/readyz` asks, by the name under which it is shown."""

    def warm(self) -> None:
        """Load the models now, so that the first question doesn't wait for them."""
