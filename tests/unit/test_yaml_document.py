"""One YAML file: what is read, and what every kind of broken file is told."""

import os
import time
import tracemalloc
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.core.errors import ConfigError
from rag.core.yaml_document import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, YamlDocument, dotted, shown

NONE: Mapping[str, str] = {}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.yaml"


def read(file: Path, content: str | bytes, variables: Mapping[str, str] = NONE) -> YamlDocument:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return YamlDocument(file, variables)


def told(file: Path, content: str | bytes, variables: Mapping[str, str] = NONE) -> ConfigError:
    """The one mistake in it."""
    try:
        document = read(file, content, variables)
    except ConfigError as error:
        return error
    (mistake,) = document.mistakes
    return mistake


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("a: 1\nb: [x, 2.5, true, null]\n", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("yes: no\n", {"yes": False}),
        ("2026-10-12: 2026-10-12\n1: x\n~: y\n", {"2026-10-12": "2026-10-12", "1": "x", "~": "y"}),
        ("a: 2026-10-12T08:00:00Z\n", {"a": "2026-10-12T08:00:00Z"}),
        ("a: =\nb: <<\n", {"a": "=", "b": "<<"}),
        ('a: !!str 5\nb: "6"\n', {"a": "5", "b": "6"}),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
        ("a: 'Straße „x“ 😀'\n", {"a": "Straße „x“ 😀"}),
        ("a:\r\n  b: 1\r\n", {"a": {"b": 1}}),
        ("﻿a: 1\n", {"a": 1}),
        ("# only a comment\n", {}),
        ("", {}),
        ("- a\n", ["a"]),
        ("just text", "just text"),
    ],
)
def test_reads(file: Path, content: str, data: object) -> None:
    document = read(file, content)
    assert document.data == data
    assert document.mistakes == []


def test_knows_an_empty_file(file: Path) -> None:
    assert read(file, "# nothing\n").is_empty
    assert not read(file, "{}").is_empty


def test_knows_the_line_of_every_key(file: Path) -> None:
    document = read(file, "a: 1\nb:\n  - c: 2\n    d: 3\n  -\n    e\n")
    assert document.line(("a",)) == 1
    assert document.line(("b", 0, "d")) == 4
    assert document.line(("b", 1)) == 6
    assert document.line(("b", 0, "missing", "deeper")) == 3
    assert document.line(("missing",)) == 1


def test_knows_what_is_written(file: Path) -> None:
    document = read(file, "a: ${X}\nb: 0x10\nc: no\n", {"X": "value"})
    assert document.data == {"a": "value", "b": 16, "c": False}
    assert document.written == {("a",): "${X}", ("b",): "0x10", ("c",): "no"}


def test_a_key_path_is_one_printable_line() -> None:
    assert dotted(("a", 0, "b\nc", "\x1b[31m")) == r"a.0.b\nc.\x1b[31m"
    assert shown("x" * 60) == "x" * 60
    assert shown("x" * 61) == "x" * 59 + "…"


# --- variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${B}z", "x1y2z"),
        ("${A:-other}", "1"),
        ("${MISSING:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${MISSING:-}", ""),
        ("${MISSING:-http://x:80/?a=b}", "http://x:80/?a=b"),
        ("$${A}", "${A}"),
        ("$A $ $$ 5$", "$A $ $$ 5$"),
        ("{A} {a.b}", "{A} {a.b}"),
        ("${REFERENCE}", "${A}"),
    ],
)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_variables_are_replaced(file: Path, text: str, value: str, quote: str) -> None:
    variables = {"A": "1", "B": "2", "EMPTY": "", "REFERENCE": "${A}"}
    assert read(file, f"a: {quote}{text}{quote}", variables).data == {"a": value}


def test_keys_hold_no_variables(file: Path) -> None:
    assert read(file, "${A}: ${A}", {"A": "1"}).data == {"${A}": "1"}


@pytest.mark.parametrize("text", ["${a}", "${A", "${}", "${A-b}", "${1A}", "${A:-{x}}"])
def test_an_incomplete_reference_is_a_mistake(file: Path, text: str) -> None:
    error = told(file, f"x: 1\na: '{text}'", {"A": "1"})
    assert (error.line, error.key) == (2, "a")
    assert "${NAME:-default}" in error.mend


@pytest.mark.parametrize("variables", [{}, {"A": ""}])
def test_a_missing_variable_is_a_mistake(file: Path, variables: dict[str, str]) -> None:
    error = told(file, "x:\n  - ${A}\n", variables)
    assert str(error) == (
        f"{file}:2: x.0: The environment variable A is not set. "
        "Set it, or write a default: ${A:-value}."
    )


def test_every_missing_variable_is_told(file: Path) -> None:
    document = read(file, "a: ${A}\nb: ${B}\nc: ${C:-1}\n")
    assert [each.key for each in document.mistakes] == ["a", "b"]
    assert document.data == {"a": None, "b": None, "c": "1"}
    assert document.is_mistaken(("a",))
    assert document.is_mistaken(("a", "below"))
    assert not document.is_mistaken(("c",))
    assert not document.is_mistaken(())


def test_a_variable_that_is_no_text_is_a_mistake_and_not_shown(file: Path) -> None:
    error = told(file, "a: ${A}", {"A": os.fsdecode(b"canary\xff")})
    assert error.key == "a"
    assert "canary" not in str(error)


# --- mistakes that leave the rest readable -------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "key", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a", "twice, first in line 1"),
        ("x:\n  a: 1\n  'a': 2\n", 3, "x.a", "twice, first in line 2"),
        ("a: 1\n? [b]\n: 2\n", 2, "", "A key must be a text"),
        ("a: 1\nx:\n  ? {b: 1}\n  : 2\n", 3, "x", "A key must be a text"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", 3, "c", "Keys can't be merged"),
        ('a: 1\n"\\0": 2', 2, "", "no text"),
        ('a: 1\nb: "\\ud800"', 2, "b", "no text"),
        ('a: 1\nb: "\\0"', 2, "b", "no text"),
        ("a: 1\nb: !!python/object/apply:os.system [id]", 2, "b", "!!python/object/apply:os.sys"),
        ("a: !!python/name:os.system ''", 1, "a", "!!python/name:os.system is not allowed"),
        ("a: !!binary aGFsbG8=", 1, "a", "!!binary is not allowed"),
        ("a: !!set {x}", 1, "a", "!!set is not allowed"),
        ("a: !!omap [x: 1]", 1, "a", "!!omap is not allowed"),
        ("a: !secret x", 1, "a", "!secret is not allowed"),
        ("!!set {x}", 1, "", "!!set is not allowed"),
        ("a: !!int x", 1, "a", "!!int is not allowed"),
        ("a: !!bool maybe", 1, "a", "!!bool is not allowed"),
        ("a: !!float ''", 1, "a", "!!float is not allowed"),
        ("a: !!null x", 1, "a", "!!null is not allowed"),
        ('a: !!int "5"', 1, "a", "!!int is not allowed"),
        ("a: 0b_", 1, "a", "number can't be read"),
        ("a: 0x_", 1, "a", "number can't be read"),
        ("a: " + "9" * 5000, 1, "a", "number can't be read"),
        ("a: 1" + ":59" * 30_000, 1, "a", "number can't be read"),
    ],
)
def test_a_mistake_is_told_at_its_line(
    file: Path, content: str, line: int, key: str, words: str
) -> None:
    error = told(file, content)
    assert (error.file, error.line, error.key) == (file, line, key)
    assert words in error.message
    assert error.mend


def test_the_rest_is_read(file: Path) -> None:
    document = read(file, "a: 1\na: 2\n<<: {b: 1}\nc: ${C}\nd: !!set {x}\ne: 5\n")
    assert len(document.mistakes) == 4
    assert document.data == {"a": 1, "c": None, "d": None, "e": 5}


# --- files that cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a:\n\tb: 1\n", 2, "A tab can't indent. Indent with spaces."),
        ("a: 1\nb: IT: help\n", 2, "put the text in quotes"),
        ("a: 1\n  b: 2\n", 2, "check its indentation"),
        ("a:\n  b: 1\n c: 2\n", 3, "The indentation fits no line above."),
        ("a: 'x\nb: 2\n", 1, "The quote that opens here is never closed."),
        ("a: 1\nb: [1, 2\nc: 3\n", 2, "The bracket that opens here is not closed"),
        ("a: {b: c\n", 1, "The bracket that opens here is not closed"),
        ("[", 1, "never closed"),
        ("a: [1]]\n", 1, "No bracket opens for the ]"),
        ("a: }\n", 1, "No bracket opens for the }"),
        ("a: {x}@{y}\n", 1, "The character @ can't begin a text here."),
        ("a: `x`\n", 1, "Put the whole text in quotes."),
        ("a: *\n", 1, "can't begin with &, * or !"),
        ("a: *b\n", 1, "There is no anchor &b."),
        ("a: &x 1\nb: &x 2\n", 2, "&x stands here twice"),
        ('a: "C:\\data"\n', 1, "\\d is no character. Use single quotes"),
        ('a: "\\UFFFFFFFF"\n', 1, "no such character"),
        ("a: {b: ${C}}\n", 1, "Braces can't stand in an unquoted text"),
        ("a: 'b' c\n", 1, "Something follows the end of a value."),
        ("a: 1\n---\nb: 2\n", 2, "A second document begins here."),
        ("- a\nb: c\n", 2, "A list can't go on with a key."),
        ("a: - b\n", 1, "A list can't begin in this line."),
        ("%YAML 2.0\n---\na: 1\n", 1, "not valid YAML: found incompatible YAML document"),
        (b"a: 1\nb: \xfcber\n", 2, "The byte 0xFC in this line is not UTF-8."),
        (b"\xef\xbb\xbfa: 1\nb: \xe4\n", 2, "not UTF-8"),
        ("a: Straße\n".encode("utf-16"), 1, "not UTF-8"),
        ("a: x\n".encode("utf-16-le"), 1, "control character 0x00"),
        (b"a: 1\nb: \x07\n", 2, "control character 0x07"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", 1, "not UTF-8"),
        (b"PK\x03\x04\x14\x00", 1, "control character 0x03"),
    ],
)
def test_a_broken_file_is_told_in_plain_words(
    file: Path, content: str | bytes, line: int, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(file, content)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert caught.value.mend


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        YamlDocument(tmp_path / "missing.yaml", NONE)
    with pytest.raises(ConfigError, match="no regular file"):
        YamlDocument(tmp_path, NONE)
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="no regular file"):
        YamlDocument(pipe, NONE)
    endless = tmp_path / "endless.yaml"
    endless.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="no regular file"):
        YamlDocument(endless, NONE)
    link = tmp_path / "link.yaml"
    link.symlink_to(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="No such file"):
        YamlDocument(link, NONE)


# --- limits --------------------------------------------------------------------------------------

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(9 * [f'*{old}'])}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


LONG_TEXT = "a: &a " + "x" * 50_000 + "\nb: [" + "*a," * 10_000 + "]"
LONG_KEY = "a: &a " + "x" * 50_000 + "\nb:\n" + " - {? *a : 1}\n" * 5_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: " + "x" * 2_000_000, "larger than 1,000,000 bytes"),
        (LAUGHS, "more than 20,000 values"),
        (LONG_TEXT, "1,000,000 characters"),
        (LONG_KEY, "1,000,000 characters"),
        ("a: '" + "${LONG}" * 1_000 + "'", "1,000,000 characters"),
        ("a: &a [*a]", "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("{a: " * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        ("? " * 100_000, "nested too deeply"),
        ("".join(" " * i + "a:\n" for i in range(500)), "nested too deeply"),
        ("[" + "1," * 400_000 + "]", "too many values"),
        ("a: '" + "${A:-" * 190_000 + "'", "${ begins a variable"),
    ],
    ids=lambda each: each[:30],
)
def test_limits_hold_in_little_time(file: Path, content: str, words: str) -> None:
    begun = time.monotonic()
    error = told(file, content, {"LONG": "y" * 2_000})
    assert words in error.message
    assert len(str(error)) < 400 + len(str(file))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("content", [LAUGHS, LONG_TEXT, LONG_KEY], ids=lambda each: each[:30])
def test_what_anchors_multiply_takes_little_memory(file: Path, content: str) -> None:
    """Written out, each would take hundreds of megabytes."""
    tracemalloc.start()
    try:
        told(file, content)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 50_000_000


def test_what_lies_within_the_limits_is_read(file: Path) -> None:
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(file, deep).mistakes == []
    many = read(file, "[" + "1," * (MAX_NODES - 2) + "]")
    assert len(many.data) == MAX_NODES - 2
    comment = "a: 1\n#" + "x" * (MAX_FILE_BYTES - 6)
    assert read(file, comment).data == {"a": 1}


# --- anything at all -----------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "a",
            "b: ",
            ": ",
            "- ",
            "? ",
            "\n",
            "\n  ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ",",
            "#",
            "|\n",
            ">",
        ),
        *(
            "&a ",
            "*a",
            "!!int ",
            "!",
            "%TAG ",
            "---",
            "...",
            "'",
            '"',
            "\\U",
            "\\x",
            "0x",
            "1:2",
            "~",
        ),
        *("<<", "=", "2026-13-45", "${", "${A}", "${B:-c}", "}", "\ufeff", "\x85", "\u2028", "\0"),
    ]
)


@settings(max_examples=300, deadline=timedelta(seconds=5))
@given(st.lists(PIECES, max_size=25).map("".join).map(str.encode) | st.binary(max_size=80))
@example(b"a: \xc2\x85b")
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "any.yaml"
    try:
        document = read(file, data, {"A": "canary"})
    except ConfigError as error:
        mistakes = [error]
    else:
        mistakes = document.mistakes
    for each in mistakes:
        assert 1 <= each.line <= len(data.decode("utf-8", "replace").splitlines()) + 1
        assert each.message
        assert "canary" not in str(each)
        assert "\n" not in str(each)
