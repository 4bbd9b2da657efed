"""The fence around what a prompt quotes: inside of it, text is data and stays data."""

import re
import unicodedata
from collections.abc import Iterable

from rag.core.records import digest

# What chat templates and tokenizers read as structure, wherever it stands in the text: the roles
# and ends of turns of Llama, Mistral, Gemma, Falcon, Qwen, Phi and DeepSeek.
CONTROL = re.compile(
    r"<\|[^<>|\s]{1,40}\|>"
    r"|<｜[^<>｜\s]{1,40}｜>"
    r"|<(?:start|end)_of_[a-z]{1,20}>"
    r"|<(?:bos|eos|pad|unk)>"
    r"|</?s>"
    r"|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
)
_HARMLESS = str.maketrans("<>[]", "‹›()")


def disarm(text: str) -> str:
    """The text with control tokens of models turned into words that only look like them.

    >>> disarm("see <b> and <|eot_id|>[INST]")
    'see <b> and ‹|eot_id|›(INST)'
    """
    return CONTROL.sub(lambda found: found.group().translate(_HARMLESS), text)


def one_line(text: str) -> str:
    r"""The disarmed text without a line break, so that it can't pass as the line after it.

    >>> one_line("VPN\n\n  setup")
    'VPN setup'
    """
    return disarm(" ".join(text.split()))


def fence_word(texts: Iterable[str]) -> str:
    """Eight hex digits that stand in none of the texts, so none of them can close the fence.

    Derived from the texts alone: the same prompt is fenced the same way twice, and an answer drawn
    with a seed can be repeated.
    """
    given = tuple(texts)
    folded = tuple(unicodedata.normalize("NFKC", text).casefold() for text in given)
    seed = digest(*given)
    while any(seed[:8] in text for text in folded):
        seed = digest(seed)
    return seed[:8]
