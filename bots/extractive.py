"""A generator without a model: quotes what the passages say, word for word, each cited."""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from bots.citations import unnumbered
from bots.fence import one_line
from bots.overlap import Overlap, Terms, terms
from bots.pieces import Piece, pieces
from rag.core.answers import Egress, Finish, Numbered, Prompt, Token
from rag.core.definitions.generators import ExtractiveGenerator as Definition
from rag.core.records import Passage

# A link that leads somewhere only from the page it stands on; its words stay.
_RELATIVE_LINK = re.compile(
    r"(?<!!)\[([^\]\[]+)\]\((?![a-z][a-z0-9+.-]*:|//)[^()\s]*\)", re.IGNORECASE
)
_MARKUP = re.compile(r"[*_`\[\]<>]")

# Weights of a piece's own words, and of the words of its place: title and headings say what a
# sentence is about without repeating it.
_OWN, _PLACED = 0.6, 0.4
# What a passage loses for each rank behind the first, at most so much.
_RANK, _RANKS = 0.04, 10
# Below this, a piece shares words with the question, but not its subject. Chosen on four public
# sets of short questions: 97 % of those whose page was among the passages pass, and of questions
# on another field entirely 41 %, which the retriever's own floor has to keep away.
_SUBJECT = 0.35
# A piece worse than this share of the best one is left out, and so is one this like another.
_WORTH, _SAME = 0.65, 0.8
# Passages in the asker's language are preferred while they are not worse than this.
_FAMILIAR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A piece, where it stands, and how well it answers; `score` falls with the passage's rank."""

    piece: Piece
    number: int
    language: str
    heading: str
    place: tuple[int, int]
    words: Terms
    subject: float
    score: float


class ExtractiveGenerator:
    """Quotes the pieces that share most with the question, best passages first.

    It never writes a word of its own but the line above the quotes. Passages in the asker's
    language come alone where they answer about as well as the others. It says nothing at all where
    no piece is on the question's subject.
    """

    def __init__(self, *, name: str, definition: Definition) -> None:
        self._name = name
        self._limit = definition.sentences

    @property
    def name(self) -> str:
        """The definition's name."""
        return self._name

    @property
    def egress(self) -> Egress:
        """It never leaves the process."""
        return "campus"

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """One token a quote."""
        chosen = _chosen(_candidates(prompt), prompt.language, self._limit)
        if chosen:
            yield Token(text=_opening(prompt.language))
        for text in _quoted(chosen):
            yield Token(text=text)
        given = frozenset(each.number for each in prompt.passages)
        yield Finish(generator=self._name, given=given)

    async def ping(self) -> None:
        """It can always serve."""


def _opening(language: str) -> str:
    return "Das steht dazu in den Quellen:" if language == "de" else "This is what the sources say:"


def _candidates(prompt: Prompt) -> list[_Candidate]:
    corpus = [terms(each.passage.embedded_text()) for each in prompt.passages]
    overlap = Overlap(prompt.question, corpus)
    ranked = enumerate(prompt.passages)
    return [one for rank, each in ranked for one in _of_passage(each, rank, overlap)]


def _of_passage(each: Numbered, rank: int, overlap: Overlap) -> Iterator[_Candidate]:
    passage = each.passage
    place = terms(" ".join((passage.title, *passage.heading_path)))
    placed = overlap.share(place)
    heading = _heading(passage)
    loss = 1 - _RANK * min(rank, _RANKS)
    for ordinal, piece in enumerate(pieces(passage.text)):
        if piece.text.endswith("?"):
            continue  # a question answers none
        words = terms(piece.whole())
        own = overlap.share(words)
        yield _Candidate(
            piece=piece,
            number=each.number,
            language=passage.language,
            heading=heading,
            place=(rank, ordinal),
            words=words,
            subject=overlap.subject(words | place),
            score=loss * (_OWN * own + _PLACED * placed),
        )


def _chosen(candidates: Sequence[_Candidate], language: str, limit: int) -> list[_Candidate]:
    """The best pieces that are worth it and differ, in the order of the passages."""
    on_subject = [each for each in candidates if each.subject >= _SUBJECT]
    ranked = sorted(_familiar(on_subject, language), key=lambda each: (-each.score, each.place))
    chosen: list[_Candidate] = []
    for each in ranked:
        worth = each.score >= _WORTH * ranked[0].score
        if worth and len(chosen) < limit and not any(_alike(each, one) for one in chosen):
            chosen.append(each)
    return sorted(chosen, key=lambda each: each.place)


def _familiar(candidates: Sequence[_Candidate], language: str) -> Sequence[_Candidate]:
    best = max((each.score for each in candidates), default=0.0)
    own = [each for each in candidates if each.language == language]
    return own if any(each.score >= _FAMILIAR * best for each in own) else candidates


def _alike(one: _Candidate, other: _Candidate) -> bool:
    return len(one.words & other.words) >= _SAME * len(one.words | other.words)


def _quoted(chosen: Sequence[_Candidate]) -> Iterator[str]:
    """Each quote with its number, as Markdown that follows what came before.

    A passage's title stands over its quotes: it says where a quote comes from, and keeps two
    lists apart that Markdown would run into one.
    """
    former: _Candidate | None = None
    for each in chosen:
        if former is None or former.number != each.number:
            yield f"\n\n**{each.heading}**\n\n{_quote(each)}"
        else:
            close = former.piece.kind == each.piece.kind == "sentence"
            yield ("\n" if close else "\n\n") + _quote(each)
        former = each


def _heading(passage: Passage) -> str:
    """The passage's title, as text that Markdown takes for nothing else."""
    title = one_line(passage.title) or passage.record_id
    return unnumbered(_MARKUP.sub(r"\\\g<0>", title))


def _quote(each: _Candidate) -> str:
    text = unnumbered(_RELATIVE_LINK.sub(r"\1", each.piece.whole()))
    mark = f"[{each.number}]"
    if each.piece.kind == "sentence":
        return f"- {text} {mark}"
    # A number inside of a table or of code would be a part of it.
    plain = each.piece.kind == "list" and "```" not in text
    return f"{text} {mark}" if plain else f"{text}\n\n{mark}"
