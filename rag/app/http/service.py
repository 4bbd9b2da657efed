"""What both chat APIs share: the bots, one set of bounds, one count of places."""

from dataclasses import dataclass

from rag.app.http.bounds import Slots, check_question
from rag.app.http.campus import Campus
from rag.app.http.streaming import AnswerResponse, Sender
from rag.core.answers import Question
from rag.core.contracts import Answerer
from rag.core.definitions.campus import Bounds
from rag.core.records import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The bots behind their door."""

    campus: Campus
    bounds: Bounds
    slots: Slots

    def answer(
        self, bot: Answerer, question: Question, *, labels: Labels, sender: Sender
    ) -> AnswerResponse:
        """A response that asks the bot when it is sent.

        Raises:
            BadQuestion: the question breaks a bound.
        """
        check_question(question, self.bounds)
        return AnswerResponse(
            lambda: bot.answer(question, labels=labels),
            sender,
            slots=self.slots,
            seconds=self.bounds.seconds,
        )
