"""What PyYAML's complaints mean to somebody who edits the file."""

import re
from dataclasses import dataclass

import yaml

_CHECK = "Check indentation, colons and quotes on this line and the one above."
_COLON = (
    "If it belongs to a text, put the text in quotes; if the line is a key of its own, check its "
    "indentation and the line above."
)
_QUOTES = "Put the text in quotes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong, in which line (from 1), and how to mend it."""

    message: str
    line: int
    mend: str


# Pattern over “context: problem” → what happened, what to do. The first that matches speaks.
_WORDS = (
    ("nested too deeply", "The file is nested too deeply.", "Write it flatter."),
    ("too many values", "The file holds too many values.", "Keep data out of the configuration."),
    (r"character '\\t'", "A tab can't indent.", "Indent with spaces."),
    (
        r"character '(.)' that cannot start",
        "The character {0} can't begin a text here.",
        "Put the whole text in quotes.",
    ),
    (
        r"mapping values are not allowed",
        "A colon is not expected here.",
        _COLON,
    ),
    (r"quoted scalar: .*end of stream", "The quote that opens here is never closed.", "Close it."),
    (
        r"unknown escape character '(.)'",
        "In double quotes, \\{0} is no character.",
        "Use single quotes, or write \\\\ for a backslash.",
    ),
    (
        r"flow (?:sequence|mapping): expected ',' or '.', but got '{'",
        "Braces can't stand in an unquoted text between [ ] or {{ }}.",
        _QUOTES,
    ),
    (
        r"flow (?:sequence|mapping): expected ',' or '(.)'",
        "The bracket that opens here is not closed, or a comma is missing.",
        "Close it with {0}, or put texts with brackets in quotes.",
    ),
    (
        r"flow node: .*end>'",
        "The bracket that opens here is never closed.",
        "Close it, or put a text that begins with a bracket in quotes.",
    ),
    (
        r"(?:content|<block end>), but found '([\]}])'",
        "No bracket opens for the {0} in this line.",
        "Remove it, or put a text with brackets in quotes.",
    ),
    (r"found '\?'", "A list can't go on with a key.", "Check the indentation of this line."),
    (
        r"expected <block end>, but found '<block",
        "The indentation fits no line above.",
        "Give keys that belong together the same number of spaces.",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "Something follows the end of a value.",
        "A text that begins with a quote, [ or {{ needs quotes around all of it.",
    ),
    (
        r"undefined alias '(.*)'",
        "There is no anchor &{0}.",
        "A text that begins with * needs quotes.",
    ),
    (r"duplicate anchor '(.*)'", "The anchor &{0} stands here twice.", "Rename one of them."),
    (r"single document", "A second document begins here.", "Remove the line of dashes."),
    (r"sequence entries are not allowed", "A list can't begin in this line.", _CHECK),
    (
        r"scanning an? (?:anchor|alias|tag)|parsing a tag",
        "A text can't begin with &, * or ! unless it is quoted.",
        _QUOTES,
    ),
)


def problem_of(error: yaml.MarkedYAMLError) -> Problem:
    """The complaint in plain words; where something opens and is not closed, at its opening."""
    message, mend = _words(error)
    opening = error.context_mark if "opens here" in message else None
    mark = opening or error.problem_mark or error.context_mark
    return Problem(message=message, line=mark.line + 1 if mark else 1, mend=mend)


def _words(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    said = f"{error.context or ''}: {error.problem or ''}"
    for pattern, message, mend in _WORDS:
        if found := re.search(pattern, said):
            return message.format(*found.groups()), mend.format(*found.groups())
    return f"This is not valid YAML: {error.problem or 'unreadable'}.", _CHECK
