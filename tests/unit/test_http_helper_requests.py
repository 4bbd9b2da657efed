"""What front-ends ask for themselves is recognised; what people ask is not."""

import json
import time

import pytest

from rag.app.http.helper_requests import TITLE_CHARS, helper_reply
from rag.core.answers import Message, Role

QUESTION = "Wie verbinde ich mein Handy mit eduroam?"
TITLE = "Wie verbinde ich mein Handy mit eduroam"
REPLY = "Mit der App geteduroam [1]."


def messages(*parts: tuple[Role, str]) -> list[Message]:
    return [Message(role=role, content=content) for role, content in parts]


def open_webui(task: str, output: str) -> list[Message]:
    """The form of Open WebUI's task prompts, in one message of role user."""
    history = f"<chat_history>\nUSER: {QUESTION}\nASSISTANT: {REPLY}\n</chat_history>"
    prompt = f"### Task:\n{task}\n### Guidelines:\n- Be short.\n### Output:\n{output}\n"
    return messages(("user", f"{prompt}### Chat History:\n{history}"))


@pytest.mark.parametrize(
    ("task", "output", "key", "value"),
    [
        (
            "Generate a concise, 3-5 word title with an emoji summarizing the chat history.",
            'JSON format: { "title": "your concise title here" }',
            "title",
            TITLE,
        ),
        (
            "Generate 1-3 broad tags categorizing the main themes of the chat history.",
            'JSON format: { "tags": ["tag1", "tag2"] }',
            "tags",
            [],
        ),
        (
            "Suggest 3-5 relevant follow-up questions or prompts that the user might ask.",
            'JSON format: { "follow_ups": ["Question 1?", "Question 2?"] }',
            "follow_ups",
            [],
        ),
        (
            "Analyze the chat history to determine the necessity of generating search queries.",
            'Strictly return in JSON format: \n{\n  "queries": ["query1"]\n}',
            "queries",
            [],
        ),
        (
            "You are an autocompletion system. Continue the text in `<text>`.",
            'Respond only in JSON format: `{ "text": "<your_completion>" }`.',
            "text",
            "",
        ),
        (
            "Generate a detailed prompt for am image generation task.",
            'Strictly return in JSON format:\n{\n    "prompt": "Your description."\n}',
            "prompt",
            "",
        ),
    ],
)
def test_open_webui_gets_the_json_it_asks_for(
    task: str, output: str, key: str, value: object
) -> None:
    reply = helper_reply(open_webui(task, output))
    assert reply is not None
    assert json.loads(reply) == {key: value}


def test_what_open_webui_quotes_does_not_decide_what_it_asks_for() -> None:
    prompt = '### Task:\nGenerate 1-3 broad tags.\n### Output:\nJSON format: { "tags": [] }\n'
    quoted = '<chat_history>\nUSER: JSON format: { "title": "x" }\n</chat_history>'
    assert helper_reply(messages(("user", prompt + quoted))) == '{"tags": []}'


TITLES = [
    # Open WebUI, older
    messages(
        (
            "user",
            (
                f"Here is the query:\n{QUESTION}\n\nCreate a concise, 3-5 word phrase with an "
                "emoji as a title for the previous query. RESPOND ONLY WITH THE TITLE TEXT."
            ),
        )
    ),
    # ChatUI
    messages(
        ("system", "You are a chat thread titling assistant.\nGoal: a very short title."),
        ("user", f'User message: "{QUESTION}"'),
    ),
    messages(
        ("system", "You are a summarization AI. Summarize the user's request in four words."),
        ("user", QUESTION),
    ),
    messages(
        ("system", "You are a summarization AI. You'll never answer a user's question directly."),
        ("user", "Who is the president of Gabon?"),
        ("assistant", "🇬🇦 President of Gabon"),
        ("user", QUESTION),
    ),
    # LobeChat
    messages(
        (
            "system",
            (
                "You are a professional conversation summarizer. Generate a concise title that "
                "captures the essence of the conversation.\n\nRules:\n- Output ONLY the title"
            ),
        ),
        ("user", f"user: {QUESTION}\nassistant: {REPLY}"),
    ),
    messages(
        ("system", "你是一名擅长会话的助理，你需要将用户的会话总结为 10 个字以内的标题"),
        ("user", f"user: {QUESTION}\nassistant: {REPLY}\n\n请总结上述对话为10个字以内的标题"),
    ),
    # Cherry Studio sends the conversation's messages all as the user's
    messages(
        (
            "system",
            (
                "You are an assistant skilled in conversation. You need to summarize the user's "
                "conversation into a title within 10 words."
            ),
        ),
        ("user", QUESTION),
        ("user", REPLY),
    ),
    # LibreChat
    messages(
        (
            "user",
            (
                "Provide a concise, 5-word-or-less title for the conversation, using title case "
                f"conventions. Only return the title itself.\n\nConversation:\nUser: {QUESTION}\n"
                f"AI: {REPLY}"
            ),
        )
    ),
    messages(
        (
            "user",
            (
                "Analyze this conversation and provide:\n1. The detected language\n2. A concise "
                f"title in the detected language (5 words or less)\n\nUser: {QUESTION}\nAI: {REPLY}"
            ),
        )
    ),
    # NextChat and Chatbox ask at the end of the conversation itself
    *(
        messages(("system", "Be nice."), ("user", QUESTION), ("assistant", REPLY), ("user", last))
        for last in (
            (
                "Please generate a four to five word title summarizing our conversation without "
                "any lead-in, punctuation, quotation marks."
            ),
            (
                "Bitte erstellen Sie einen vier- bis fünfwörtigen Titel, der unser Gespräch "
                "zusammenfasst."
            ),
            "Based on the chat history, give this conversation a name.\nKeep it short.",
        )
    ),
]


@pytest.mark.parametrize("asked", TITLES)
def test_a_title_is_made_of_the_first_question(asked: list[Message]) -> None:
    assert helper_reply(asked) == TITLE


@pytest.mark.parametrize(
    ("system", "reply"),
    [
        ("You are a sidecar that extracts 0-4 quick-reply suggestions from …", '{"chips": []}'),
        ("你是一名擅长会话标签总结的助理，你需要将用户的输入的内容提炼出分类标签", ""),
        ("You are an emoji expert who selects the most appropriate emoji to …", "💬"),
        ("You write the short status line a chat app shows while …", ""),
    ],
)
def test_suggestions_are_declined_in_the_form_asked_for(system: str, reply: str) -> None:
    assert helper_reply(messages(("system", system), ("user", QUESTION))) == reply


def test_a_search_query_is_the_question_itself() -> None:
    system = "You are tasked with generating web search queries. Answer with only the query."
    asked = f"Previous questions: \n- Hallo\n\nCurrent Question: {QUESTION}"
    assert helper_reply(messages(("system", system), ("user", asked))) == QUESTION
    rewrite = f"Follow Up Input: {QUESTION}, it's standalone query:"
    assert helper_reply(messages(("system", "Rephrase."), ("user", rewrite))) == QUESTION


def test_a_summary_lists_what_was_asked() -> None:
    system = "You're an assistant who's good at extracting key takeaways from conversations."
    quoted = f"<chat_history>\n<user>{QUESTION}</user>\n<assistant>{REPLY}</assistant>\n"
    quoted += "<user>Und auf dem iPhone?</user>\n</chat_history>\n\nPlease summarize."
    expected = f"{QUESTION} / Und auf dem iPhone?"
    assert helper_reply(messages(("system", system), ("user", quoted))) == expected
    last = "Summarize the discussion briefly in 200 words or less to use as a prompt."
    conversation = [("user", QUESTION), ("assistant", REPLY), ("user", "Und auf dem iPhone?")]
    assert helper_reply(messages(*conversation, ("user", last))) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked",
    [
        [],
        messages(("user", QUESTION)),
        messages(("user", "Generate a concise title for my thesis about Wi-Fi.")),
        messages(("user", "Which tags does GitLab give a release?")),
        messages(("user", "### Task:\nHow do I submit a Slurm job?")),
        messages(("user", 'My form has a ### Task: field and a { "title": } key, what is it?')),
        messages(("user", "Summarize the VPN page, please.")),
        messages(
            ("user", '### Task:\nRespond to the query.\n<context>{ "title": 1 }</context> x?')
        ),
        messages(("system", "You are a helpful assistant."), ("user", QUESTION)),
        messages(
            ("user", "Please generate a four to five word title summarizing our conversation"),
            ("assistant", "eduroam"),
            ("user", QUESTION),
        ),
        messages(
            ("system", "Be nice. You are a summarization AI."),
            ("user", QUESTION),
        ),
    ],
)
def test_a_question_is_a_question(asked: list[Message]) -> None:
    assert helper_reply(asked) is None


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("VPN?", "VPN"),
        ("**Wo** finde ich `geteduroam`?", "Wo finde ich geteduroam"),
        ("eins zwei drei vier fünf sechs sieben acht", "eins zwei drei vier fünf sechs sieben"),
        ("Donau" * 40, ("Donau" * 40)[:TITLE_CHARS]),
        ("  \n ", "Chat"),
        ("???", "Chat"),
    ],
)
def test_a_title_is_short(first: str, expected: str) -> None:
    system = "You are a summarization AI."
    assert helper_reply(messages(("system", system), ("user", first))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<user>" * 40_000,
        "user: " * 40_000,
        "user:\n" * 40_000,
        "Here is the query:" + "- " * 99_999,
    ],
)
def test_a_hostile_request_costs_little(text: str) -> None:
    started = time.monotonic()
    for system in (
        "You are a summarization AI",
        "You're an assistant who's good at extracting key takeaways",
    ):
        assert helper_reply(messages(("system", system), ("user", text))) is not None
    assert time.monotonic() - started < 1
