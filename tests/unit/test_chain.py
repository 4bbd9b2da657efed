"""Who speaks when somebody is down, and what leaves the campus."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.chain import FallbackChain
from bots.redaction import PatternRedactor
from rag.core.answers import Finish, Prompt, Token, Turn
from rag.core.contracts import Generator
from rag.core.definitions.bots import EgressPolicy
from rag.core.errors import BadQuestion, EgressRefused, RagError, RetryLater, StreamBroken
from tests.bot_parts import Scripted, passage, prompt, said

OPEN = EgressPolicy(allow_external=True)
DOWN = RetryLater("down", after=3)


def chain(*members: Generator, policy: EgressPolicy | None = None) -> FallbackChain:
    return FallbackChain(members, policy=policy or EgressPolicy(), redactor=PatternRedactor())


async def heard(generator: Generator, given: Prompt | None = None) -> list[Token | Finish]:
    return [item async for item in generator.stream(given or prompt())]


async def refused(generator: Generator, given: Prompt | None = None) -> RagError:
    with pytest.raises(RagError) as raised:
        await heard(generator, given)
    return raised.value


async def test_the_first_that_can_speaks_and_the_finish_tells_which() -> None:
    first, second, third = Scripted(name="a", fails=DOWN), Scripted("Ja", name="b"), Scripted("x")
    items = await heard(chain(first, second, third))
    assert said(items) == "Ja"
    assert isinstance(items[-1], Finish)
    assert items[-1].generator == "b"
    assert not third.prompts


async def test_a_member_that_ends_without_a_finish_is_passed_over() -> None:
    assert said(await heard(chain(Scripted(finishes=False), Scripted("Ja")))) == "Ja"


async def test_a_question_too_long_for_one_may_fit_the_next() -> None:
    small = Scripted(fails=BadQuestion("too long"))
    assert said(await heard(chain(small, Scripted("Ja")))) == "Ja"


async def test_who_has_begun_is_not_replaced() -> None:
    second = Scripted("Ja")
    error = await refused(chain(Scripted("Mit", fails=StreamBroken("broke")), second))
    assert isinstance(error, StreamBroken)
    assert not second.prompts


async def test_an_end_without_a_finish_after_the_first_token_is_a_break() -> None:
    assert isinstance(await refused(chain(Scripted("Mit", finishes=False))), StreamBroken)


async def test_where_all_fail_each_reason_is_named() -> None:
    members = Scripted(name="a", fails=DOWN), Scripted(name="b", fails=BadQuestion("long"))
    error = await refused(chain(*members))
    assert type(error) is RetryLater
    assert "a: down" in str(error)
    assert "b: long" in str(error)
    assert error.after == 3


async def test_one_failure_alone_is_told_as_it_is() -> None:
    assert await refused(chain(Scripted(fails=DOWN))) is DOWN


async def test_a_question_too_long_for_all_is_a_bad_one() -> None:
    long = BadQuestion("long")
    assert await refused(chain(Scripted(fails=long), Scripted(fails=long))) is long


async def test_a_bug_is_no_outage() -> None:
    class Buggy(Scripted):
        async def ping(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await chain(Buggy(), Scripted()).ping()


async def test_leaving_the_chain_leaves_the_member() -> None:
    member = Scripted("Mit", "der", "App")
    items = chain(member).stream(prompt())
    await anext(items)
    await items.aclose()
    assert member.closed == 1


async def test_ping_needs_one_that_can_serve() -> None:
    await chain(Scripted(fails=DOWN), Scripted()).ping()
    with pytest.raises(RetryLater, match="a: down"):
        await chain(Scripted(name="a", fails=DOWN)).ping()


async def test_nothing_leaves_the_campus_unasked() -> None:
    outside = Scripted("Ja", name="cloud", egress="external")
    assert isinstance(await refused(chain(outside)), EgressRefused)
    assert isinstance(await refused(chain(Scripted(fails=DOWN), outside)), RetryLater)
    with pytest.raises(RetryLater, match="outside of the campus"):
        await chain(outside).ping()
    assert not outside.prompts


async def test_a_refused_fallback_does_not_hide_the_outage() -> None:
    error = await refused(chain(Scripted(name="a", fails=DOWN), Scripted(egress="external")))
    assert type(error) is RetryLater
    assert "a: down" in str(error)


async def test_outside_of_the_campus_only_public_passages_are_seen() -> None:
    outside = Scripted("Ja [1]", egress="external")
    mixed = prompt(passage(), passage("Geheim.", labels=("staff",)), passage(key="c.md"))
    items = await heard(chain(outside, policy=OPEN), mixed)
    assert isinstance(items[-1], Finish)
    assert items[-1].given == {1, 3}
    assert "Geheim" not in "".join(m.content for m in outside.prompts[0].messages())


async def test_outside_of_the_campus_the_words_are_redacted_and_earlier_answers_unseen() -> None:
    outside = Scripted("Ja", egress="external")
    history = (
        Turn(role="user", text="Ich bin a@b.example"),
        Turn(role="assistant", text="Intern: der Tresor."),
    )
    asked = prompt(question="Mein Passwort ist hunter2!", history=history)
    await heard(chain(outside, policy=OPEN), asked)
    shown = "".join(message.content for message in outside.prompts[0].messages())
    assert "[EMAIL_1]" in shown
    assert "[SECRET_1]" in shown
    for kept in ("a@b.example", "hunter2", "Tresor"):
        assert kept not in shown


async def test_on_the_campus_nothing_is_taken_away() -> None:
    inside = Scripted("Ja")
    asked = prompt(question="a@b.example", history=(Turn(role="assistant", text="x"),))
    await heard(chain(inside), asked)
    assert inside.prompts == [asked]


async def test_who_may_see_no_passage_is_not_asked() -> None:
    outside, inside = Scripted("Ja", egress="external"), Scripted("Nein")
    secret = prompt(passage(labels=("staff",)))
    assert said(await heard(chain(outside, inside, policy=OPEN), secret)) == "Nein"
    assert isinstance(await refused(chain(outside, policy=OPEN), secret), EgressRefused)
    assert not outside.prompts


LABELS = st.frozensets(st.sampled_from(["public", "staff", "hr", "partner"]), max_size=3)


@given(
    shelf=st.lists(LABELS, min_size=1, max_size=6),
    external=st.sets(st.sampled_from(["public", "partner", "hr"])),
    allowed=st.booleans(),
    places=st.lists(st.sampled_from(["campus", "external"]), min_size=1, max_size=4),
    up=st.lists(st.booleans(), min_size=4, max_size=4),
)
async def test_no_passage_without_an_external_label_ever_leaves(
    shelf: list[frozenset[str]],
    external: set[str],
    allowed: bool,  # noqa: FBT001 -- drawn by name
    places: list[str],
    up: list[bool],
) -> None:
    policy = EgressPolicy(allow_external=allowed, external_labels=tuple(sorted(external)))
    members = [
        Scripted("x", egress="external" if place == "external" else "campus")
        if works
        else Scripted(egress="external" if place == "external" else "campus", fails=DOWN)
        for place, works in zip(places, up, strict=False)
    ]
    passages = [passage(f"Text {n}", key=f"{n}", labels=some) for n, some in enumerate(shelf)]
    # Where nobody can or may speak, what was shown before that counts as well.
    with suppress(RetryLater, EgressRefused):
        await heard(chain(*members, policy=policy), prompt(*passages))
    shown = [p for m in members if m.egress == "external" for p in m.prompts]
    assert allowed or not shown
    for each in shown:
        assert each.passages
        assert all(one.passage.labels & external for one in each.passages)


def test_a_chain_is_as_far_away_as_its_farthest_member_that_may_be_asked() -> None:
    members = Scripted(name="a"), Scripted(egress="external")
    assert chain(*members).name == "a"
    assert chain(*members).egress == "campus"
    assert chain(*members, policy=OPEN).egress == "external"
