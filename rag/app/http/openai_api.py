"""`/v1`: every bot as a model, for front-ends that speak OpenAI's API."""

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from rag.app.http.bounds import newest
from rag.app.http.chat import WhoAsks
from rag.app.http.documents import CitationDocument
from rag.app.http.errors import failure_of
from rag.app.http.helper_requests import helper_reply
from rag.app.http.openai_documents import (
    Choice,
    ChunkChoice,
    ChunkDocument,
    CompletionDocument,
    CompletionMessage,
    CompletionRequest,
    Delta,
    FinishReason,
    ModelDocument,
    ModelsDocument,
    OpenAiErrorDocument,
    UsageDocument,
)
from rag.app.http.openai_text import rest_of, sources, split_at_question, turns
from rag.app.http.service import Service
from rag.app.http.streaming import Events, Whole, event, json_response
from rag.core.answers import Answer, Message, Question, Token
from rag.core.errors import BadQuestion
from rag.core.records import Labels

DONE = b"data: [DONE]\n\n"
_COMPLETIONS = """\
Ask a bot in OpenAI's form. The question is the last message of role user; earlier ones of users and
assistants are its history. A list of sources in Markdown ends the text, and `citations` holds them
as data. As server-sent events: chunks, and `[DONE]` at the end. Requests by which front-ends ask
for titles, tags and suggestions are answered from the conversation's own words: no bot is asked.
"""


class Completion:
    """One answer under OpenAI's names, as a whole and piece by piece. Belongs to one request."""

    def __init__(self, model: str, *, usage: bool) -> None:
        self._model = model
        self._usage = usage
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._said: str | None = None

    def document(self, answer: Answer) -> CompletionDocument:
        """The whole answer."""
        message = CompletionMessage(content=answer.text + sources(answer))
        return CompletionDocument(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[Choice(message=message, finish_reason=_finish(answer))],
            usage=_usage(answer),
            citations=_citations(answer),
        )

    def token(self, token: Token) -> bytes:
        """The next piece; before the first one, who speaks."""
        first = self._said is None
        opening = self._delta(Delta(role="assistant", content="")) if first else b""
        self._said = (self._said or "") + token.text
        return opening + self._delta(Delta(content=token.text))

    def answer(self, answer: Answer) -> bytes:
        """What the pieces left out, the sources, and the end."""
        rest = rest_of(answer, self._said or "") + sources(answer)
        body = self.token(Token(text=rest)) if rest or self._said is None else b""
        body += self._delta(Delta(), _finish(answer), _citations(answer))
        if self._usage:
            body += self._chunk(choices=[], usage=_usage(answer))
        return body + DONE

    def error(self, error: Exception) -> bytes:
        """What went wrong, as OpenAI's clients look for it inside of a stream."""
        return event(OpenAiErrorDocument.of(failure_of(error))) + DONE

    def _delta(
        self,
        delta: Delta,
        finish: FinishReason | None = None,
        citations: list[CitationDocument] | None = None,
    ) -> bytes:
        choice = ChunkChoice(delta=delta, finish_reason=finish)
        return self._chunk(choices=[choice], citations=citations)

    def _chunk(self, **content: Any) -> bytes:
        chunk = ChunkDocument(id=self._id, created=self._created, model=self._model, **content)
        return event(chunk)


def openai_router(
    service: Service, who_asks: WhoAsks, responses: dict[int | str, Any]
) -> APIRouter:
    """OpenAI's API over the bots; `responses` document the errors that every route may answer."""
    router = APIRouter(prefix="/v1", tags=["openai"], responses=responses)
    started = int(time.time())
    not_found: dict[int | str, Any] = {
        404: {"model": OpenAiErrorDocument, "description": "There is no such bot."}
    }

    @router.get("/models", summary="List the bots as models", operation_id="list_models")
    async def models(_: Annotated[Labels, Depends(who_asks)]) -> ModelsDocument:
        names = service.campus.bot_names()
        return ModelsDocument(data=[ModelDocument(id=name, created=started) for name in names])

    @router.get(
        "/models/{model}",
        summary="One bot as a model",
        operation_id="get_model",
        responses=not_found,
    )
    async def one_model(
        model: Annotated[str, Path(description="A bot's name.")],
        _: Annotated[Labels, Depends(who_asks)],
    ) -> ModelDocument:
        return ModelDocument(id=service.campus.bot(model).name, created=started)

    @router.post(
        "/chat/completions",
        summary="Ask a bot in OpenAI's form",
        description=_COMPLETIONS,
        operation_id="create_completion",
        response_model=CompletionDocument,
        responses={
            200: {
                "description": "The answer.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **not_found,
        },
    )
    async def completions(
        body: CompletionRequest, labels: Annotated[Labels, Depends(who_asks)]
    ) -> Response:
        bot = service.campus.bot(body.model)
        messages = [each for each in (one.message() for one in body.messages) if each]
        completion = Completion(body.model, usage=body.wants_usage)
        helped = helper_reply(messages)
        if helped is not None:
            return _at_once(completion, helped, stream=bool(body.stream))
        return service.answer(
            bot,
            _question(messages, service),
            labels=labels,
            sender=Events(completion) if body.stream else Whole(completion.document),
        )

    return router


def _question(messages: Sequence[Message], service: Service) -> Question:
    before, text = split_at_question(messages)
    if not text:
        raise BadQuestion("No message holds a question.", mend="Add one of role user with text.")
    # Front-ends send the whole conversation, however long: its end is what matters.
    return Question(text=text, history=newest(turns(before), service.bounds))


def _at_once(completion: Completion, text: str, *, stream: bool) -> Response:
    answer = Answer(text=text, language="")
    if stream:
        return Response(completion.answer(answer), media_type="text/event-stream")
    return json_response(completion.document(answer))


def _finish(answer: Answer) -> FinishReason:
    return "length" if answer.cut else "stop"


def _citations(answer: Answer) -> list[CitationDocument]:
    return [CitationDocument.of(each) for each in answer.citations]


def _usage(answer: Answer) -> UsageDocument:
    given, said = answer.input_tokens or 0, answer.output_tokens or 0
    return UsageDocument(prompt_tokens=given, completion_tokens=said, total_tokens=given + said)
