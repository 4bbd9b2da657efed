"""Requests that a front-end sends on its own behalf: titles, tags, suggestions, search queries.

They come as ordinary completions, to the model of the conversation. A bot that took them for
questions would search for them, refuse them and count them; here they are recognised by the words
with which the front-ends' prompts begin, and answered from the conversation's own words.

A person's question is not taken for one by chance: the mark is a sentence of a prompt, not of a
person, and stands at the very beginning of the system text or of the last message.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.core.answers import Message

TITLE_WORDS = 7
TITLE_CHARS = 60
SUMMARY_CHARS = 1_200

Place = Literal["system", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a helper request is about: its last message, and the questions asked before."""

    last: str
    questions: tuple[str, ...]


Reply = Callable[[Conversation], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """One kind of helper request. Marks are compared without case and white space."""

    place: Place
    begins: str
    reply: Reply
    holds: str = ""

    def fits(self, text: str) -> bool:
        """Whether the folded text at this place is such a request."""
        return text.startswith(_folded(self.begins)) and _folded(self.holds) in text


def helper_reply(messages: Sequence[Message]) -> str | None:
    """What a helper request gets, or None where the messages are a question."""
    if not messages:
        return None
    system = next((each.content for each in messages if each.role == "system"), "")
    last = messages[-1].content
    texts: dict[Place, str] = {"system": _instruction(system), "last": _instruction(last)}
    for helper in HELPERS:
        if helper.fits(texts[helper.place]):
            questions = _questions(messages, helper.place)
            return helper.reply(Conversation(last=last, questions=questions))
    return None


def title(conversation: Conversation) -> str:
    """The first words of the first question.

    >>> title(Conversation(last="", questions=("Wie verbinde ich mein Handy mit eduroam?",)))
    'Wie verbinde ich mein Handy mit eduroam'
    """
    words = re.sub(r"[*_`#>\"“”„]+", " ", _first_question(conversation)).split()
    shown = ""
    for word in words[:TITLE_WORDS]:
        if len(shown) + len(word) >= TITLE_CHARS:
            break
        shown = f"{shown} {word}".strip()
    return (shown or "".join(words[:1])[:TITLE_CHARS]).rstrip("?!.,;: ") or "Chat"


def summary(conversation: Conversation) -> str:
    """What was asked, question by question."""
    asked = tuple(_quoted(conversation.last)) or conversation.questions
    return " / ".join(_one_line(each) for each in asked)[:SUMMARY_CHARS]


def query(conversation: Conversation) -> str:
    """The question itself, as the words to search for."""
    text = conversation.last
    for before, after in _AROUND_QUERY:
        if before in text:
            return _one_line(text.rpartition(before)[2].partition(after)[0]).rstrip(",")
    return _one_line(text)


def _title_as_json(conversation: Conversation) -> str:
    return json.dumps({"title": title(conversation)}, ensure_ascii=False)


def _always(text: str) -> Reply:
    return lambda _: text


# How a prompt frames the question that it wants a query for; an empty end takes all the rest.
_AROUND_QUERY = (
    ("Follow Up Input:", " it's standalone query:"),
    ("Current Question:", "\0"),
    ("Question:", "\0"),
)

HELPERS = (
    # Open WebUI asks for everything in one form, whose output section names the key it wants.
    Helper(place="last", begins="### Task:", holds='{ "title":', reply=_title_as_json),
    Helper(place="last", begins="### Task:", holds='{ "tags":', reply=_always('{"tags": []}')),
    Helper(
        place="last",
        begins="### Task:",
        holds='{ "follow_ups":',
        reply=_always('{"follow_ups": []}'),
    ),
    Helper(
        place="last",
        begins="### Task: Analyze the chat history to determine the necessity of generating",
        holds='"queries":',
        reply=_always('{"queries": []}'),
    ),
    Helper(
        place="last",
        begins="### Task: You are an autocompletion system",
        reply=_always('{"text": ""}'),
    ),
    Helper(
        place="last",
        begins="### Task: Generate a detailed prompt for",
        holds="image generation task",
        reply=_always('{"prompt": ""}'),
    ),
    Helper(
        place="last",
        begins="Your task is to reflect the speaker's likely facial expression",
        reply=_always("💬"),
    ),
    Helper(
        place="last",
        begins="Here is the query:",
        holds="as a title for the previous query",
        reply=title,
    ),
    Helper(place="last", begins="You are tasked with generating web search queries", reply=query),
    # ChatUI
    Helper(place="system", begins="You are a chat thread titling assistant", reply=title),
    Helper(place="system", begins="You are a summarization AI", reply=title),
    Helper(place="system", begins="The task is to generate conversation titles", reply=title),
    Helper(place="system", begins="You are tasked with generating web search queries", reply=query),
    Helper(
        place="system",
        begins="You write the short status line a chat app shows",
        reply=_always(""),
    ),
    # LobeChat, and Cherry Studio, whose prompts descend from it
    Helper(
        place="system",
        begins="You are a professional conversation summarizer. Generate a concise title",
        reply=title,
    ),
    Helper(place="system", begins="你是一名擅长会话的助理", reply=title),
    Helper(place="system", begins="你是一名擅长会话标签总结的助理", reply=_always("")),
    Helper(
        place="system",
        begins="You're an assistant who's good at extracting key takeaways",
        reply=summary,
    ),
    Helper(
        place="system",
        begins="You are a sidecar that extracts 0-4 quick-reply suggestions",
        reply=_always('{"chips": []}'),
    ),
    Helper(
        place="system",
        begins="You are an emoji expert who selects the most appropriate emoji",
        reply=_always("💬"),
    ),
    Helper(place="last", begins="Follow Up Input:", holds="it's standalone query:", reply=query),
    Helper(
        place="system",
        begins="You are an assistant skilled in conversation. You need to summarize",
        reply=title,
    ),
    # LibreChat
    Helper(
        place="last",
        begins="Provide a concise, 5-word-or-less title for the conversation",
        reply=title,
    ),
    Helper(
        place="last",
        begins="Please generate a concise, 5-word-or-less title for the conversation",
        reply=title,
    ),
    Helper(
        place="last",
        begins="Analyze this conversation and provide:",
        holds="concise title in the detected language",
        reply=title,
    ),
    # NextChat and Chatbox
    Helper(
        place="last",
        begins="Please generate a four to five word title summarizing our conversation",
        reply=title,
    ),
    Helper(
        place="last", begins="Bitte erstellen Sie einen vier- bis fünfwörtigen Titel", reply=title
    ),
    Helper(place="last", begins="Summarize the discussion briefly in 200 words", reply=summary),
    Helper(place="last", begins="Fassen Sie unsere Diskussion kurz in 200", reply=summary),
    Helper(
        place="last",
        begins="Based on the chat history, give this conversation a name",
        reply=title,
    ),
)


def _questions(messages: Sequence[Message], place: Place) -> tuple[str, ...]:
    """The conversation's own questions: neither the request itself nor a prompt's examples."""
    asked = tuple(each.content for each in messages if each.role == "user")
    if place == "last":
        return asked[:-1]
    examples = any(each.role == "assistant" for each in messages)
    return asked[-1:] if examples else asked


def _first_question(conversation: Conversation) -> str:
    text = conversation.last.strip()
    if text.startswith('User message: "'):
        return text.removeprefix('User message: "').removesuffix('"')
    if text.startswith("Here is the query:"):
        return (
            text.removeprefix("Here is the query:").partition("Create a concise")[0].strip(" \n-")
        )
    first = next(_quoted(text), None)
    return first or next(iter(conversation.questions), "")


def _quoted(text: str) -> Iterator[str]:
    """What a prompt quotes of a person: in `<user>` tags, or in lines behind `user:`."""
    if "<user>" in text:
        yield from (part.partition("</user>")[0].strip() for part in text.split("<user>")[1:])
        return
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        name, colon, rest = line.strip().partition(":")
        speaker = name.casefold() if colon else ""
        if lines and (not line.strip() or speaker in _SPEAKERS or line.startswith("</")):
            yield "\n".join(lines)
            lines = []
        if speaker in _PEOPLE:
            lines = [rest.strip()]
        elif lines:
            lines.append(line)


_PEOPLE = frozenset({"user", "human"})
_SPEAKERS = _PEOPLE | {"assistant", "ai"}


def _instruction(text: str) -> str:
    """The folded text before what it quotes."""
    return _folded(text.partition("<chat_history>")[0].partition("<context>")[0])


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


def _one_line(text: str) -> str:
    return " ".join(text.split())
