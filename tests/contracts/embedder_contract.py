"""What every Embedder promises, sentence by sentence.

Each check takes two embedders of one key, as two processes would have them. Vectors are the same
if their cosine is .999: a model's arithmetic depends a little on what shares its batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from rag.core.contracts import Embedder
from rag.core.records import Vector

Check = Callable[[Embedder, Embedder], None]

SAME = 0.999
TEXTS = (
    "eduroam is the Wi-Fi of all universities; log in with your account and its domain.",
    "Drucken",
    "The printer in the library takes the campus card, and the price of a page is five cents. " * 3,
    "Ein Kennwort hat mindestens vierzehn Zeichen.",
    "mail quota",
    "The cluster has four queues, and jobs on the short one end after two hours.",
)
ODD = ("", " ", "\n\n", "half a pair \ud83c", "nul \x00", "/tmp/picture.png", "x" * 5000, "…")


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def assert_same(ones: Sequence[Vector], others: Sequence[Vector]) -> None:
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert cosine(one, other) > SAME


def one_key_means_the_same_vectors(embedder: Embedder, other: Embedder) -> None:
    assert embedder.key == other.key
    assert_same(embedder.embed_passages(TEXTS), other.embed_passages(TEXTS))
    assert cosine(embedder.embed_query(TEXTS[0]), other.embed_query(TEXTS[0])) > SAME


def the_same_text_gives_the_same_vector_again(embedder: Embedder, other: Embedder) -> None:
    assert_same(embedder.embed_passages(TEXTS), embedder.embed_passages(TEXTS))
    assert cosine(embedder.embed_query(TEXTS[0]), embedder.embed_query(TEXTS[0])) > SAME


def vectors_have_the_dimension(embedder: Embedder, other: Embedder) -> None:
    vectors = [*embedder.embed_passages(TEXTS), embedder.embed_query(TEXTS[0])]
    assert {len(vector) for vector in vectors} == {embedder.dimension}


def vectors_have_unit_length(embedder: Embedder, other: Embedder) -> None:
    for vector in (*embedder.embed_passages(TEXTS), embedder.embed_query(TEXTS[2])):
        assert abs(cosine(vector, vector) - 1) < 1e-4


def there_is_one_vector_a_text(embedder: Embedder, other: Embedder) -> None:
    assert len(embedder.embed_passages(["one", "two", "one", "one"])) == 4
    assert len(embedder.embed_passages([])) == 0


def vectors_come_in_the_order_of_the_texts(embedder: Embedder, other: Embedder) -> None:
    one_by_one = [embedder.embed_passages([text])[0] for text in TEXTS]
    assert_same(embedder.embed_passages(TEXTS), one_by_one)


def a_vector_does_not_depend_on_its_neighbours(embedder: Embedder, other: Embedder) -> None:
    among = embedder.embed_passages([TEXTS[1], *TEXTS[2:4] * 8])
    assert_same(among[:1], other.embed_passages([TEXTS[1]]))


def what_fits_is_read_to_its_end(embedder: Embedder, other: Embedder) -> None:
    filler = "pages"
    while embedder.count_tokens(f"{filler} 1000 eduroam printer") <= embedder.max_tokens:
        filler += f" {len(filler)}"
    one, other_end = embedder.embed_passages([f"{filler} eduroam", f"{filler} printer"])
    assert cosine(one, other_end) < 0.9999


def a_longer_text_never_counts_less(embedder: Embedder, other: Embedder) -> None:
    words = " ".join(TEXTS).split()
    counts = [embedder.count_tokens(" ".join(words[:end])) for end in range(len(words))]
    assert counts == sorted(counts)
    assert 0 <= counts[0] < counts[-1]


def a_question_is_nearest_to_the_passage_that_answers_it(
    embedder: Embedder, other: Embedder
) -> None:
    vectors = embedder.embed_passages(TEXTS)
    for question, answer in (("Wi-Fi of all universities", 0), ("the cluster has queues", 5)):
        asked = embedder.embed_query(question)
        scores = [cosine(asked, vector) for vector in vectors]
        assert scores.index(max(scores)) == answer


def any_string_is_a_text(embedder: Embedder, other: Embedder) -> None:
    assert len(embedder.embed_passages(ODD)) == len(ODD)
    for text in ODD:
        assert embedder.count_tokens(text) >= 0
        assert len(embedder.embed_query(text)) == embedder.dimension


def threads_do_not_disturb_each_other(embedder: Embedder, other: Embedder) -> None:
    alone = [embedder.embed_query(text) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(embedder.embed_query, TEXTS * 8))
    assert_same(together, alone * 8)


CHECKS: tuple[Check, ...] = (
    one_key_means_the_same_vectors,
    the_same_text_gives_the_same_vector_again,
    vectors_have_the_dimension,
    vectors_have_unit_length,
    there_is_one_vector_a_text,
    vectors_come_in_the_order_of_the_texts,
    a_vector_does_not_depend_on_its_neighbours,
    what_fits_is_read_to_its_end,
    a_longer_text_never_counts_less,
    a_question_is_nearest_to_the_passage_that_answers_it,
    any_string_is_a_text,
    threads_do_not_disturb_each_other,
)
