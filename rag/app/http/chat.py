"""`POST /bots/{bot}/chat` and `GET /bots`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from rag.app.http.documents import (
    AnswerDocument,
    BotDocument,
    BotsDocument,
    ChatRequest,
    ErrorDocument,
    TokenDocument,
)
from rag.app.http.errors import failure_of
from rag.app.http.service import Service
from rag.app.http.streaming import Events, Whole, event
from rag.core.answers import Answer, Token
from rag.core.records import Labels

STREAM_EXAMPLE = """\
event: token
data: {"text":"Install the "}

event: token
data: {"text":"app [1]."}

event: answer
data: {"text":"Install the app [1].","language":"en","citations":[…],…}

"""
_CHAT = """\
Ask a bot. As server-sent events: any number of `token` (TokenDocument), then one `answer`
(AnswerDocument), or one `error` (ErrorDocument) in its place. The tokens are a preview; the text of
the answer decides. Lines that begin with a colon only keep the connection open. Closing the
connection ends the work behind it.
"""

WhoAsks = Callable[[Request], Awaitable[Labels]]


class ChatWriter:
    """An answer as the events `token`, `answer` and `error`."""

    def token(self, token: Token) -> bytes:
        """The next piece of the preview."""
        return event(TokenDocument(text=token.text), "token")

    def answer(self, answer: Answer) -> bytes:
        """The answer as one document."""
        return event(AnswerDocument.of(answer), "answer")

    def error(self, error: Exception) -> bytes:
        """What went wrong."""
        return event(failure_of(error).document(), "error")


def chat_router(service: Service, who_asks: WhoAsks, responses: dict[int | str, Any]) -> APIRouter:
    """The project's own chat API; `responses` document the errors that every route may answer."""
    router = APIRouter(tags=["chat"], responses=responses)

    @router.get("/bots", summary="List the bots", operation_id="list_bots")
    async def bots(_: Annotated[Labels, Depends(who_asks)]) -> BotsDocument:
        """Every bot with its title and questions to start with, and the limits of a question."""
        definitions = service.campus.settings.bots
        shown = (BotDocument.of(name, definitions[name]) for name in service.campus.bot_names())
        return BotsDocument.of(shown, service.bounds)

    @router.post(
        "/bots/{bot}/chat",
        summary="Ask a bot",
        description=_CHAT,
        operation_id="ask_bot",
        response_model=AnswerDocument,
        responses={
            200: {
                "description": "The answer.",
                "content": {
                    "text/event-stream": {"schema": {"type": "string"}, "example": STREAM_EXAMPLE}
                },
            },
            404: {"model": ErrorDocument, "description": "There is no such bot."},
        },
    )
    async def chat(
        request: Request,
        bot: Annotated[str, Path(description="The bot's name.")],
        body: ChatRequest,
        labels: Annotated[Labels, Depends(who_asks)],
    ) -> Response:
        streams = wants_events(request) if body.stream is None else body.stream
        sender = Events(ChatWriter()) if streams else Whole(AnswerDocument.of)
        answerer = service.campus.bot(bot)
        return service.answer(answerer, body.to_question(), labels=labels, sender=sender)

    return router


def wants_events(request: Request) -> bool:
    """Whether the Accept header leaves it to us, or asks for events."""
    accepted = request.headers.get("accept", "").lower()
    return "application/json" not in accepted or "text/event-stream" in accepted
