"""The embedder contract over every embedder, and over broken ones that must fail it."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexes.embedding import SentenceTransformerEmbedder
from indexes.vectors import CachedEmbedder, VectorCache
from rag.core.contracts import Embedder
from rag.core.definitions.embedders import EmbedderDefinition
from rag.core.records import Vector
from tests.contracts import embedder_contract as contract
from tests.fakes import HashEmbedder

Pair = tuple[Embedder, Embedder]
MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="session")
def minilm() -> Pair:
    definition = EmbedderDefinition(sha256=MINILM)
    return SentenceTransformerEmbedder(definition), SentenceTransformerEmbedder(definition)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_minilm(check: contract.Check, minilm: Pair) -> None:
    check(*minilm)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_fake(check: contract.Check) -> None:
    check(HashEmbedder(256), HashEmbedder(256))


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_cached_embedder(check: contract.Check, tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "vectors.sqlite")
    check(CachedEmbedder(HashEmbedder(256), cache), CachedEmbedder(HashEmbedder(256), cache))


class OtherWords(HashEmbedder):
    """Has the key of another that understands other words."""

    made = 0

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        OtherWords.made += 1
        self._mine = OtherWords.made

    def embed_query(self, text: str) -> Vector:
        return super().embed_query(" ".join(f"{word}{self._mine}" for word in text.split()))


class Tired(HashEmbedder):
    def embed_query(self, text: str) -> Vector:
        self.embedded.append(text)
        return super().embed_query(f"{text} {len(self.embedded)}")


class LongOrShort(HashEmbedder):
    def embed_query(self, text: str) -> Vector:
        return super().embed_query(text)[: len(text)]


class NotNormalised(HashEmbedder):
    def embed_query(self, text: str) -> Vector:
        return [2 * number for number in super().embed_query(text)]


class EachTextOnce(HashEmbedder):
    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        return super().embed_passages(list(dict.fromkeys(texts)))


class ForgetsTheOrder(HashEmbedder):
    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        return super().embed_passages(sorted(texts, key=len))


class SeesThePadding(HashEmbedder):
    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        longest = max(map(len, texts), default=0) // 100
        return super().embed_passages([text + " pad" * longest for text in texts])


class StopsHalfway(HashEmbedder):
    def embed_query(self, text: str) -> Vector:
        return super().embed_query(" ".join(text.split()[: self.max_tokens // 2]))


class CountsBackwards(HashEmbedder):
    def count_tokens(self, text: str) -> int:
        return 250 - super().count_tokens(text)


class AsksElsewhere(HashEmbedder):
    def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        return super().embed_passages([text[::-1] for text in texts])


class OnlyUnicode(HashEmbedder):
    def embed_query(self, text: str) -> Vector:
        return super().embed_query(text.encode().decode())


class OneBuffer(HashEmbedder):
    text = ""

    def embed_query(self, text: str) -> Vector:
        self.text = text
        time.sleep(0.002)
        return super().embed_query(self.text)


FAULTS: dict[contract.Check, type[HashEmbedder]] = {
    contract.one_key_means_the_same_vectors: OtherWords,
    contract.the_same_text_gives_the_same_vector_again: Tired,
    contract.vectors_have_the_dimension: LongOrShort,
    contract.vectors_have_unit_length: NotNormalised,
    contract.there_is_one_vector_a_text: EachTextOnce,
    contract.vectors_come_in_the_order_of_the_texts: ForgetsTheOrder,
    contract.a_vector_does_not_depend_on_its_neighbours: SeesThePadding,
    contract.what_fits_is_read_to_its_end: StopsHalfway,
    contract.a_longer_text_never_counts_less: CountsBackwards,
    contract.a_question_is_nearest_to_the_passage_that_answers_it: AsksElsewhere,
    contract.any_string_is_a_text: OnlyUnicode,
    contract.threads_do_not_disturb_each_other: OneBuffer,
}


def test_every_sentence_has_a_planted_fault() -> None:
    assert set(FAULTS) == set(contract.CHECKS)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_catches_the_fault(check: contract.Check) -> None:
    fault = FAULTS[check]
    with pytest.raises((AssertionError, UnicodeError)):
        check(fault(256), fault(256))
