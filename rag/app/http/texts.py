"""Text on its way in or out: what JSON and UTF-8 can both carry."""

from typing import Annotated

from pydantic import AfterValidator


def clean(text: str) -> str:
    r"""The text with halves of surrogate pairs joined, and lone ones replaced.

    JSON can name half a character (`"\ud83d"`, an emoji that somebody cut in two); UTF-8 can't.

    >>> clean("caf\u00e9 \ud83d")
    'café \ufffd'
    >>> clean("\ud83d\ude00")
    '😀'
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


Text = Annotated[str, AfterValidator(clean)]
