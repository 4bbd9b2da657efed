"""Reading cases: what is kept, and what is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.cases import Case, read_cases
from rag.core.answers import Turn
from rag.core.errors import BadInput
from rag.core.filters import Eq

NEEDED = {"id": "c1", "question": "Wo ist C4?", "language": "de", "labels": ["public"]}


def write(folder: Path, *lines: object, name: str = "cases.jsonl") -> Path:
    file = folder / name
    parts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    file.write_bytes(b"\n".join(parts) + b"\n")
    return file


def test_a_case_with_every_field(tmp_path: Path) -> None:
    line = {
        "id": "tk-003",
        "question": "Und auf dem Handy?",
        "history": [
            {"role": "user", "text": "Wie geht eduroam?"},
            {"role": "assistant", "text": "So. [1]"},
        ],
        "language": "de",
        "labels": ["public", "staff"],
        "relevant": ["it-wiki:de/eduroam.md", "it-tickets:47251"],
        "reference": "Mit geteduroam.",
        "must_refuse": False,
        "expect_filters": [{"op": "eq", "field": "language", "value": "de"}],
    }
    assert read_cases([write(tmp_path, line)]) == (
        Case(
            id="tk-003",
            question="Und auf dem Handy?",
            history=(
                Turn(role="user", text="Wie geht eduroam?"),
                Turn(role="assistant", text="So. [1]"),
            ),
            language="de",
            labels=frozenset({"public", "staff"}),
            relevant=frozenset({"it-wiki:de/eduroam.md", "it-tickets:47251"}),
            reference="Mit geteduroam.",
            expect_filters=(Eq(field="language", value="de"),),
        ),
    )


def test_what_may_be_left_out(tmp_path: Path) -> None:
    (case,) = read_cases([write(tmp_path, NEEDED)])
    assert (case.history, case.relevant, case.reference) == ((), frozenset(), None)
    assert (case.must_refuse, case.expect_filters) == (False, ())


def test_files_and_lines_keep_their_order(tmp_path: Path) -> None:
    one = write(tmp_path, NEEDED | {"id": "z"}, b"", NEEDED | {"id": "a"}, name="one.jsonl")
    two = write(tmp_path, NEEDED | {"id": "m"}, name="two.jsonl")
    assert [case.id for case in read_cases([one, two])] == ["z", "a", "m"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(NEEDED).encode())
    assert len(read_cases([file])) == 1


def raw(**fields: Any) -> dict[str, Any]:
    return NEEDED | {"id": "c2"} | fields


@pytest.mark.parametrize(
    ("line", "message", "mend"),
    [
        (b"{", "Invalid JSON: EOF while parsing an object at ", "one JSON object a line"),
        (b'{"id": "\xff"}', "Invalid JSON: invalid unicode", "one JSON object a line"),
        (b'{"id": "\\ud83c"}', "Invalid JSON", "one JSON object a line"),
        (b"\x00\x01binary", "Invalid JSON", "one JSON object a line"),
        (b"[" * 100_000, "recursion limit exceeded", "one JSON object a line"),
        ([NEEDED], "not a JSON object", "one JSON object a line"),
        ({"id": "c2"}, "question: this field is missing", "Add it"),
        (raw(qestion="?"), "qestion: this field is not known", "Did you mean “question”?"),
        (raw(id="two words"), "id: String should match", "no space"),
        (raw(id=7), "id: Input should be a valid string", "no space"),
        (raw(question=" \t"), "question: String should match", "what the person asks"),
        (raw(language="fr"), "language: Input should be 'de' or 'en'", "Mend"),
        (raw(labels="public"), "labels: Input should be a valid array", "Mend"),
        (raw(labels=["Öffentlich"]), "labels.0: String should match", "Mend"),
        (raw(relevant=["eduroam.md"]), "relevant.0: String should match", "source:key"),
        (raw(must_refuse="no"), "must_refuse: Input should be a valid boolean", "Mend"),
        (raw(history=[{"role": "system", "text": "x"}]), "history.0.role: Input should", "Mend"),
        (raw(history=[{"role": "user", "txt": "x"}]), "history.0.txt: this field", "Take it out"),
        (raw(expect_filters=[{"op": "like"}]), "expect_filters.0: Input tag 'like'", "eq, any"),
        (
            raw(must_refuse=True, relevant=["it-wiki:a"]),
            "must_refuse is true, yet there are relevant records",
            "Name no record",
        ),
        (raw(id="c1"), "the id “c1” is taken by {file}:1", "an id of its own"),
        (b" " * 1_000_001, "longer than 1,000,000 bytes", "one line"),
    ],
)
def test_a_bad_line_is_named(line: object, message: str, mend: str, tmp_path: Path) -> None:
    file = write(tmp_path, NEEDED, line)
    with pytest.raises(BadInput) as caught:
        read_cases([file])
    told = str(caught.value)
    assert told.startswith(f"{file}:2: ")
    assert message.format(file=file) in told
    assert mend in caught.value.mend


def test_an_id_is_taken_over_all_files(tmp_path: Path) -> None:
    one, two = (write(tmp_path, NEEDED, name=name) for name in ("one.jsonl", "two.jsonl"))
    with pytest.raises(BadInput, match=r"two\.jsonl:1: the id “c1” is taken by .*one\.jsonl:1"):
        read_cases([one, two])


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_a_case(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no case in"):
        read_cases([write(tmp_path, content)])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.jsonl can't be read: No such file"):
        read_cases([tmp_path / "missing.jsonl"])
    with pytest.raises(BadInput, match="can't be read: Is a directory"):
        read_cases([tmp_path])
