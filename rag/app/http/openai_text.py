"""An answer as text alone: its sources at the end, for front-ends that show nothing else."""

import re
from collections.abc import Iterable, Sequence

from rag.core.answers import Answer, Citation, Message, Turn

_HEADINGS = {"de": "Quellen", "en": "Sources"}
_OWN_SOURCES = re.compile(r"\n\n\*\*(?:Quellen|Sources):\*\*\n\n(?:- \[\d+\] .*\n?)+\Z")
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~])")
_UNSAFE_IN_URL = {ord(sign): f"%{ord(sign):02X}" for sign in ' ()<>"\\^`{|}\n\r\t'}


def sources(answer: Answer) -> str:
    """The cited sources as a Markdown list, or nothing where nothing is cited.

    >>> from rag.core.answers import Citation
    >>> cited = Citation(number=1, record_id="w:1", passage_id="p", title="VPN",
    ...     url="https://wiki.example/vpn", heading_path=("VPN", "Linux"))
    >>> print(sources(Answer(text="… [1]", language="en", citations=(cited,))).strip())
    **Sources:**
    <BLANKLINE>
    - [1] [VPN › Linux](https://wiki.example/vpn)
    """
    if not answer.citations:
        return ""
    heading = _HEADINGS.get(answer.language, _HEADINGS["en"])
    lines = [_source(each) for each in sorted(answer.citations, key=lambda each: each.number)]
    return f"\n\n**{heading}:**\n\n" + "\n".join(lines)


def without_sources(text: str) -> str:
    """An earlier answer without the list that `sources` put under it."""
    return _OWN_SOURCES.sub("", text)


def rest_of(answer: Answer, said: str) -> str:
    """What must still be said after the preview, so that the answer's text stands.

    A preview can't be taken back; where the answer turned out otherwise, it follows in full.
    """
    kept = said.strip()
    if answer.text.startswith(kept):
        return answer.text[len(kept) :]
    return f"\n\n---\n\n{answer.text}"


def turns(messages: Iterable[Message]) -> tuple[Turn, ...]:
    """Earlier messages as history, without what system texts and tools said."""
    return tuple(
        Turn(role=each.role, text=without_sources(each.content))
        for each in messages
        if each.role != "system" and each.content.strip()
    )


def split_at_question(messages: Sequence[Message]) -> tuple[Sequence[Message], str]:
    """What came before the last thing that a person said, and that; nothing where nobody spoke."""
    for i in range(len(messages) - 1, -1, -1):
        if messages[i].role == "user" and messages[i].content.strip():
            return messages[:i], messages[i].content.strip()
    return messages, ""


def _source(citation: Citation) -> str:
    path = citation.heading_path or (citation.title,)
    if citation.title and path[0] != citation.title:
        path = (citation.title, *path)
    label = _MARKUP.sub(r"\\\1", " ".join(" › ".join(path).split())) or citation.record_id
    if re.match(r"https?://", citation.url):
        label = f"[{label}]({citation.url.translate(_UNSAFE_IN_URL)})"
    return f"- [{citation.number}] {label}"
