"""Prompts as data: one Jinja file a language, with one block each for system and user text.

A file `NAME.de.j2` or `NAME.en.j2` has two blocks, `system` and `user`. Both may use `language`,
`sentinel` (what the model is to say where the passages don't answer), `fence` (a word that stands
in nothing that is quoted), `question`, and `passages`: each with `number`, `title`, `path`, `url`,
`date`, `language` and `text`. What comes from outside has no control token of a model left in it,
and everything but `text` and `question` is one line. Earlier turns of the conversation are put
between the two blocks. A system text without `fence` is the same for every question, which lets a
model server keep it in its cache.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bots.citations import cite, unnumbered
from bots.fence import disarm, fence_word, one_line
from rag.core.answers import Message, Numbered, Prompt, Turn
from rag.core.errors import BadQuestion, ConfigError
from rag.core.records import Passage

SENTINEL = "NO_ANSWER"
KEPT_TURNS = 2

Blocks = dict[str, Callable[[Mapping[str, Any]], str]]
Count = Callable[[tuple[Message, ...]], Awaitable[int]]

# German takes more bytes a token than this in the tokenizers of today's models, so this counts
# too many rather than too few. What a template adds to a message is counted apart.
_BYTES_PER_TOKEN = 2.5
_TOKENS_PER_MESSAGE = 32


_SAMPLE = Passage(
    record_id="sample:1",
    ordinal=0,
    text="A sample.",
    title="Sample",
    url="https://sample.example/",
    heading_path=("Sample",),
    language="en",
    kind="page",
    source="sample",
    labels=frozenset(),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class PromptTemplate:
    """One prompt in both languages. The files are read when the first prompt is rendered."""

    def __init__(self, *, de: Path, en: Path) -> None:
        self._files: dict[Literal["de", "en"], Path] = {"de": de, "en": en}
        self._compiled: dict[str, Blocks] = {}

    def check(self) -> None:
        """Read both files and render a sample of each.

        Raises:
            ConfigError: a file is missing, is no Jinja, lacks a block or names an unknown variable.
        """
        passages = (Numbered(number=1, passage=_SAMPLE),)
        for language in self._files:
            for shown in (passages, ()):
                self.render(Prompt(question="?", passages=shown, language=language, template=self))

    def render(self, prompt: Prompt) -> tuple[Message, ...]:
        """System text, earlier turns, question; roles take turns, as chat templates demand.

        Raises:
            ConfigError: as `check`.
        """
        language: Literal["de", "en"] = "de" if prompt.language == "de" else "en"
        values = _values(prompt)
        system = Message(role="system", content=self._block(language, "system", values))
        user = Message(role="user", content=self._block(language, "user", values))
        return (system, *_alternating((*_history(prompt.history), user)))

    def _block(self, language: Literal["de", "en"], name: str, values: Mapping[str, Any]) -> str:
        file = self._files[language]
        if language not in self._compiled:
            self._compiled[language] = _compile(file)
        try:
            return self._compiled[language][name](values).strip()
        except jinja2.TemplateError as error:
            raise ConfigError(
                f"The block {name} can't be rendered: {error.message}.",
                file=file,
                mend="See the prompt reference for the variables there are.",
            ) from error


def _compile(file: Path) -> Blocks:
    try:
        source = file.read_text(encoding="utf-8")
        template = _environment().from_string(source)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The prompt can't be read: {error}.", file=file, mend="Put a UTF-8 file there."
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"Not Jinja: {error.message}.", file=file, line=error.lineno) from error
    for name in ("system", "user"):
        if name not in template.blocks:
            raise ConfigError(
                f"The block {name} is missing.",
                file=file,
                mend=f"Write {{% block {name} %}} … {{% endblock %}}.",
            )
    return {name: _renderer(template, name) for name in template.blocks}


def _environment() -> jinja2.Environment:
    return ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # what is rendered goes to a model, not to a browser
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _renderer(template: jinja2.Template, name: str) -> Callable[[Mapping[str, Any]], str]:
    def render(values: Mapping[str, Any]) -> str:
        return "".join(template.blocks[name](template.new_context(dict(values))))

    return render


def _values(prompt: Prompt) -> dict[str, Any]:
    question = disarm(prompt.question.strip())
    passages = [_passage(each) for each in prompt.passages]
    quoted = [str(value) for passage in passages for value in passage.values()]
    turns = [turn.text for turn in prompt.history]
    return {
        "language": prompt.language,
        "sentinel": SENTINEL,
        "fence": fence_word((question, *quoted, *turns)),
        "question": question,
        "passages": passages,
    }


def _passage(each: Numbered) -> dict[str, Any]:
    passage = each.passage
    return {
        "number": each.number,
        "title": one_line(passage.title),
        "path": one_line(" › ".join(passage.heading_path)),
        "url": one_line(passage.url),
        "date": passage.updated_at.date().isoformat() if passage.updated_at else "",
        "language": passage.language,
        "text": disarm(unnumbered(passage.text.strip())),
    }


def _history(turns: tuple[Turn, ...]) -> Iterator[Message]:
    """Earlier turns; the numbers in earlier answers meant other passages, so they go."""
    for turn in turns:
        text = cite(turn.text, ()).text if turn.role == "assistant" else turn.text
        if text.strip():
            yield Message(role=turn.role, content=disarm(text.strip()))


def _alternating(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """User first, then in turns; neighbours of one role become one message."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            both = f"{joined[-1].content}\n\n{message.content}"
            joined[-1] = replace(message, content=both)
        elif joined or message.role == "user":
            joined.append(message)
    return tuple(joined)


def without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The same for models that know no system role: its text opens the first user message."""
    system = [message.content for message in messages if message.role == "system"]
    first, *rest = (message for message in messages if message.role != "system")
    return (replace(first, content="\n\n".join([*system, first.content])), *rest)


def estimated_tokens(messages: tuple[Message, ...]) -> int:
    """Tokens where no tokenizer can be asked; rather too many than too few.

    >>> estimated_tokens((Message(role="user", content="x" * 250),))
    132
    """
    size = sum(len(message.content.encode()) for message in messages)
    return int(size / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(messages)


def most_tokens(messages: tuple[Message, ...]) -> int:
    """A bound that no tokenizer passes: a token is at least one byte.

    >>> most_tokens((Message(role="user", content="x" * 250),))
    282
    """
    size = sum(len(message.content.encode()) for message in messages)
    return size + _TOKENS_PER_MESSAGE * len(messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Tokens that a model takes: of a prompt, and of prompt and answer together."""

    prompt: int
    total: int

    def answer(self, wanted: int) -> int:
        """Tokens for the answer: as wanted, but half of a small model stays for the prompt."""
        return min(wanted, self.total // 2)

    def room(self, wanted: int) -> int:
        """Tokens that the prompt may have beside such an answer."""
        return min(self.prompt, self.total - self.answer(wanted))


async def fit(prompt: Prompt, room: int, count: Count) -> Prompt:
    """The prompt, without as many of its parts as must go to take at most `room` tokens.

    First the oldest turns go, down to the last exchange, then the weakest passages, then the last
    exchange. The largest prompt that fits is found by halving.

    Raises:
        BadQuestion: the question alone does not fit.
    """
    if await count(prompt.messages()) <= room:
        return prompt
    shorter = tuple(_shorter(prompt))
    fits, beyond = len(shorter), -1
    while fits - beyond > 1:
        middle = (fits + beyond) // 2
        if await count(shorter[middle].messages()) <= room:
            fits = middle
        else:
            beyond = middle
    if fits == len(shorter):
        raise BadQuestion(
            f"The question is too long: the model reads {room} tokens at most.",
            mend="Ask in fewer words.",
        )
    return shorter[fits]


def _shorter(prompt: Prompt) -> Iterator[Prompt]:
    while len(prompt.history) > KEPT_TURNS:
        prompt = replace(prompt, history=prompt.history[1:])
        yield prompt
    while prompt.passages:
        prompt = prompt.weaker()
        yield prompt
    if prompt.history:
        yield replace(prompt, history=())
