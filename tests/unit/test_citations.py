"""Citations in a whole text and in a streamed one."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.citations import CitationStream, cite, unnumbered

KNOWN = {1, 2, 3}
_CODE = re.compile(r"(?ms)^```.*?(^```|\Z)|(?<!`)`(?!`)[^`\n]*`(?!`)")
_NUMBER = re.compile(r"(?<!\\)\[(\d+)\](?!\()")


@pytest.mark.parametrize(
    ("said", "text", "numbers"),
    [
        ("Open the app [1].", "Open the app [1].", (1,)),
        ("Open the app[2].", "Open the app[2].", (2,)),
        ("Both [1, 2] and [1][3].", "Both [1][2] and [1][3].", (1, 2, 3)),
        ("Both [1; 2], [3 und 1]", "Both [1][2][3]", (1, 2, 3)),
        ("A range [1-3].", "A range [1][2][3].", (1, 2, 3)),
        ("Wide 【2】 and 【1†source】.", "Wide [2] and [1].", (2, 1)),
        ("By name [Quelle 2], [Passage 1].", "By name [2][1].", (2, 1)),
        ("Doubled [[1]].", "Doubled [1].", (1,)),
        ("A footnote [^3].", "A footnote [3].", (3,)),
    ],
)
def test_every_form_of_a_citation_becomes_one(
    said: str, text: str, numbers: tuple[int, ...]
) -> None:
    cited = cite(said, KNOWN)
    assert (cited.text, cited.numbers) == (text, numbers)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Open the app [9].", "Open the app."),
        ("Open [9] the app.", "Open the app."),
        ("[9] Open the app.", "Open the app."),
        ("Open the app [9] [8].", "Open the app."),
        ("Open the app ([9]).", "Open the app."),
        ("Open the app ([9], [8]) now.", "Open the app now."),
        ("Open the app (see [9]).", "Open the app (see)."),
        ("Open [1, 9] it.", "Open [1] it."),
        ("First.\n\n[9] Second.\n- third [7]\n- fourth", "First.\n\nSecond.\n- third\n- fourth"),
        ("Doubled [[9]], done", "Doubled, done"),
        ("At the end [9]", "At the end"),
    ],
)
def test_an_unknown_number_leaves_no_trace(said: str, text: str) -> None:
    assert cite(said, KNOWN).text == text


@pytest.mark.parametrize(
    "said",
    [
        "Write `array[1]` and ``a ` [2]``.",
        "A link [1](https://wiki.example/) stays.",
        "An image ![1](a.png) stays.",
        "Code:\n\n```python\nx = a[1]  # two  spaces\ny[9] = [2]\n```\nend.",
        "Code:\n~~~\na [1]\n~~~",
        "In a list:\n   ```\n   a [1]\n   ```",
        "A box [ ] and [x] and [ab1234] and [see below].",
        r"Escaped \[1\] stays.",
    ],
)
def test_what_is_no_citation_stays(said: str) -> None:
    cited = cite(said, KNOWN)
    assert (cited.text, cited.numbers) == (said, ())


def test_an_index_from_zero_is_escaped_so_that_no_reader_takes_it_for_a_citation() -> None:
    assert cite("Take argv[0], from [0, 1] [1].", KNOWN).text == (
        r"Take argv\[0\], from \[0, 1\] \[1\]."
    )


def test_a_backtick_alone_hides_nothing() -> None:
    assert cite("A ` alone [1], [9] here.\nNext [2].", KNOWN).numbers == (1, 2)


def test_a_line_of_inline_code_opens_no_fence() -> None:
    assert cite("```vpn```: see [1]", KNOWN).numbers == (1,)


def test_a_citation_that_was_cut_in_half_is_left_out() -> None:
    for half in ("[", "[1", "[1, ", "【2"):
        assert cite(f"Open the app {half}", KNOWN).text == "Open the app"


def test_a_word_is_given_out_as_soon_as_it_has_ended() -> None:
    stream = CitationStream(KNOWN)
    assert stream.feed("Open the ") == "Open the"
    assert stream.feed("app [") == " app"
    assert stream.feed("1") == ""
    assert stream.feed("] and") == " [1]"
    assert stream.close() == " and"


def test_a_bracket_that_can_be_no_citation_is_not_held_back() -> None:
    stream = CitationStream(KNOWN)
    assert stream.feed("a [link](https://x.example) b ") == "a [link](https://x.example) b"


PARTS = st.one_of(
    st.sampled_from(
        [
            "[1]",
            "[2, 9]",
            "[9]",
            "【3】",
            "【8†x】",
            "[1](u)",
            "`a[1]`",
            "`",
            "\n",
            "\n\n",
            " ",
            "  ",
            "```\n",
            "\n```\n",
            "(",
            ")",
            ".",
            "[",
            "]",
            "\\[",
            "word",
            "[0]",
            "[1-3]",
            "[Source 1, 2]",
            "[" + "1, " * 19 + "9]",
            "- ",
        ]
    ),
    st.text(max_size=6),
)
TEXTS = st.lists(PARTS, max_size=25).map("".join)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_the_cuts_between_the_pieces_change_nothing(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    stream = CitationStream(KNOWN)
    pieces = [text[start:end] for start, end in pairwise(places)]
    streamed = "".join(stream.feed(piece) for piece in pieces) + stream.close()
    whole = cite(text, KNOWN)
    assert (streamed, stream.used) == (whole.text, whole.numbers)


@given(words=st.lists(st.sampled_from(["[1]", "[9]", "[2, 8]", "app", "(", ").", "\n", "[77]"])))
def test_only_known_numbers_are_left_in_prose(words: list[str]) -> None:
    cited = cite(" ".join(words), KNOWN)
    left = {int(number) for number in _NUMBER.findall(_CODE.sub("", cited.text))}
    assert left == set(cited.numbers) <= KNOWN
    assert "  " not in cited.text.replace("(  ", "(")


@given(text=st.text(alphabet="ab [1]29,()`\n-^【】", max_size=60))
def test_a_source_can_not_cite_by_itself(text: str) -> None:
    assert cite(unnumbered(text), KNOWN).numbers == ()
