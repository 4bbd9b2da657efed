"""What all definitions are made of: names, languages, the strict base model."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
LABEL = r"^[a-z0-9][a-z0-9:._-]{0,62}$"
FIELD_NAME = r"^[a-z][a-z0-9_]{0,62}$"
VARIABLE = r"^[A-Z_][A-Z0-9_]*$"
URL = r"^https?://[^\s/]+\S*$"
URL_OR_NONE = r"^(https?://[^\s/]+\S*)?$"
PREFIX = r"^[a-z0-9_-]*$"
SHA256 = r"^[0-9a-f]{64}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Label = Annotated[str, StringConstraints(pattern=LABEL)]
FieldName = Annotated[str, StringConstraints(pattern=FIELD_NAME)]
Language = Literal["de", "en"]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE)]
Url = Annotated[str, StringConstraints(pattern=URL)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class WrongKey(ValueError):
    """What a validator of a whole definition says of one key of it. No message holds a value."""

    def __init__(self, key: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


class Definition(BaseModel):
    """Base of every definition: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


class ByLanguage(Definition):
    """A text that people read, in both languages."""

    de: str = Field(min_length=1, description="In German.")
    en: str = Field(min_length=1, description="In English.")

    def of(self, language: str) -> str:
        """The text in the language; German for German, English for every other."""
        return self.de if language == "de" else self.en
