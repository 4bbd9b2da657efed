"""Several generators as one: the next speaks where the one before it can't, and none unasked."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from rag.core.answers import Egress, Finish, Prompt, Token
from rag.core.contracts import Generator, Redactor
from rag.core.definitions.bots import EgressPolicy
from rag.core.errors import BadQuestion, EgressRefused, RagError, RetryLater, StreamBroken


class FallbackChain:
    """A Generator that asks its members in order until one begins to speak.

    The guard on what leaves the campus stands here, so that no member can be reached around it, and
    a bot with a single generator has a chain of one. A member outside of the campus is asked only
    where the policy allows it. It is given the passages that carry an external label, and the
    redacted words of the asker; earlier answers stay behind, because they may quote what it must
    not see.

    A member that breaks off after its first token ends the whole stream: what was said can't be
    taken back, and another voice would not go on in the middle of its sentence.
    """

    def __init__(
        self, members: Sequence[Generator], *, policy: EgressPolicy, redactor: Redactor
    ) -> None:
        self._members = tuple(members)
        self._policy = policy
        self._redactor = redactor

    @property
    def name(self) -> str:
        """The first member's name; `Finish.generator` tells who spoke."""
        return self._members[0].name

    @property
    def egress(self) -> Egress:
        """External where any member is that may be asked."""
        external = any(member.egress == "external" for member in self._members)
        return "external" if external and self._policy.allow_external else "campus"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """Let the first member speak that can.

        Raises:
            RetryLater: no member could; the message names the reason of each.
            StreamBroken: a member broke off after it had begun.
            BadQuestion: the question is too long for every member that could be asked.
            EgressRefused: every member lies outside of the campus, and none may be asked.
        """
        failures: list[RagError] = []
        for member in self._members:
            spoken = False
            try:
                async with aclosing(member.stream(self._guarded(member, prompt))) as items:
                    async for item in items:
                        spoken = True
                        yield item
                        if isinstance(item, Finish):
                            return
                broken = StreamBroken if spoken else RetryLater
                raise broken(f"{member.name} ended without a finish.")
            except (RetryLater, BadQuestion, EgressRefused) as error:
                if spoken:
                    raise
                failures.append(error)
        raise self._joined(failures)

    async def ping(self) -> None:
        """Return when one member can serve now.

        Raises:
            RetryLater: none can.
        """
        failures: list[RagError] = []
        for member in self._members:
            try:
                self._admit(member)
                await member.ping()
            except (RetryLater, EgressRefused) as error:
                failures.append(error)
            else:
                return
        raise RetryLater(f"No generator can serve. {self._reasons(failures)}")

    def _guarded(self, member: Generator, prompt: Prompt) -> Prompt:
        """What this member may see of the prompt."""
        self._admit(member)
        if member.egress == "campus":
            return prompt
        seen = prompt.visible_to(frozenset(self._policy.external_labels))
        if prompt.passages and not seen.passages:
            raise EgressRefused(
                f"{member.name} lies outside of the campus and may see none of the passages.",
                mend="Name a generator on the campus as a fallback.",
            )
        return replace(
            seen,
            question=self._redactor.redact(prompt.question),
            history=tuple(
                replace(turn, text=self._redactor.redact(turn.text))
                for turn in prompt.history
                if turn.role == "user"
            ),
        )

    def _admit(self, member: Generator) -> None:
        if member.egress == "external" and not self._policy.allow_external:
            raise EgressRefused(
                f"{member.name} lies outside of the campus, and this bot keeps its text inside.",
                mend="Set egress.allow_external in the bot's definition, or name another one.",
            )

    def _joined(self, failures: Sequence[RagError]) -> RagError:
        """The one error that tells the asker what helps: wait, ask in fewer words, or neither."""
        if len(failures) == 1:
            return failures[0]
        outages = [error for error in failures if isinstance(error, RetryLater)]
        if not outages:
            return next((e for e in failures if isinstance(e, BadQuestion)), failures[0])
        waits = [error.after for error in outages if error.after is not None]
        return RetryLater(
            f"No generator could answer. {self._reasons(failures)}",
            after=min(waits) if waits else None,
        )

    def _reasons(self, failures: Sequence[RagError]) -> str:
        pairs = zip(self._members, failures, strict=True)
        return "; ".join(f"{member.name}: {error}" for member, error in pairs)
