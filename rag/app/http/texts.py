"""Text on its way in or out: what JSON and UTF-8 can both carry."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

# Neither white space nor a control character, whichever of Rust, Python or ECMAScript reads it.
VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f\ufeff]"


def clean(text: str) -> str:
    r"""The text with halves of surrogate pairs joined, and lone ones replaced.

    JSON can name half a character (`"\ud83d"`, an emoji that somebody cut in two); UTF-8 can't.

    >>> clean("caf\u00e9 \ud83d")
    'café \ufffd'
    >>> clean("\ud83d\ude00")
    '😀'
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_cleaned)]
NotBlank = Annotated[str, StringConstraints(pattern=VISIBLE), BeforeValidator(_cleaned)]
