"""From pieces to tokens: endings, finishes, waits and retries."""

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.patience import Deadline, Speech, advised, paced, persist
from bots.speech import Ending, Said, speech
from rag.core.answers import Finish, Token
from rag.core.definitions.generators import Retry
from rag.core.errors import Busy, RagError, RetryLater, StreamBroken

QUICK = Retry(attempts=3, backoff=0.001, max_backoff=0.002)
GIVEN = frozenset({1, 2})


async def pieces(*said: Said, fails: RagError | None = None) -> AsyncGenerator[Said, None]:
    for each in said:
        yield each
    if fails:
        raise fails


async def heard(items: Speech) -> list[Token | Finish]:
    return [item async for item in items]


async def test_pieces_become_tokens_and_one_finish() -> None:
    said = pieces(Said(text="Ja"), Said(text="", reason="stop"), Said(usage=(7, 1)))
    assert await heard(speech(said, name="x", given=GIVEN)) == [
        Token(text="Ja"),
        Finish(generator="x", given=GIVEN, input_tokens=7, output_tokens=1),
    ]


@pytest.mark.parametrize(("reason", "cut"), [("length", True), ("stop", False), ("eos", False)])
async def test_running_into_the_limit_is_told(reason: str, cut: bool) -> None:  # noqa: FBT001
    said = pieces(Said(text="Ja", reason=reason))
    last = (await heard(speech(said, name="x", given=GIVEN)))[-1]
    assert isinstance(last, Finish)
    assert last.cut is cut


@pytest.mark.parametrize("said", [(), (Said(text="Ja"),), (Said(text="Ja", reason="error"),)])
async def test_an_end_without_a_reason_is_none(said: tuple[Said, ...]) -> None:
    with pytest.raises(RetryLater):
        await heard(speech(pieces(*said), name="x", given=GIVEN))


async def test_what_happens_after_the_reason_is_no_failure() -> None:
    said = pieces(Said(text="Ja", reason="stop"), fails=RetryLater("cut"))
    assert len(await heard(speech(said, name="x", given=GIVEN))) == 2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["Ja.", "<|eot", "_id|>"], "Ja."),
        (["Ja.</s>", "\nUser: und?"], "Ja."),
        (["Ja. ", "<end_of_turn>", "\n<start_of_turn>user"], "Ja. "),
        (["<|im_start|>", "Ja"], "Ja"),
        (["a < b, [1] und <b>fett</b>"], "a < b, [1] und <b>fett</b>"),
        (["List<", "String"], "List<String"),
        (["x <"], "x <"),
        (["[INST", "EAD]"], "[INSTEAD]"),
    ],
)
def test_control_tokens_end_the_text(parts: list[str], expected: str) -> None:
    ending = Ending()
    assert "".join(ending.feed(part) for part in parts) + ending.close() == expected


@given(st.lists(st.text(alphabet="ab<|>[/]_IN s1", max_size=5), max_size=12))
def test_the_cuts_change_nothing_about_the_ending(parts: list[str]) -> None:
    whole, piecewise = Ending(), Ending()
    text = "".join(parts)
    expected = whole.feed(text) + whole.close()
    assert "".join(piecewise.feed(part) for part in parts) + piecewise.close() == expected


async def test_silence_is_an_outage_whatever_keeps_the_connection_open() -> None:
    async def silent() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(10)
        yield 2

    items = paced(silent(), idle=0.05, deadline=Deadline(9), name="x")
    assert await anext(items) == 1
    with pytest.raises(RetryLater, match=r"x said nothing for 0\.1 s|x said nothing for 0\.0 s"):
        await anext(items)


async def test_slow_talk_is_ended_by_the_deadline() -> None:
    async def slow() -> AsyncGenerator[int, None]:
        while True:
            yield 1
            await asyncio.sleep(0.02)

    with pytest.raises(RetryLater):
        async for _ in paced(slow(), idle=5, deadline=Deadline(0.1), name="x"):
            pass


class Attempts:
    """Fails as it is told, then speaks."""

    def __init__(self, *fails: RagError | None, before: str = "") -> None:
        self.fails = list(fails)
        self.before = before
        self.made = 0

    async def __call__(self) -> Speech:
        self.made += 1
        if self.before:
            yield Token(text=self.before)
        error = self.fails.pop(0) if self.fails else None
        if error:
            raise error
        yield Finish(generator="x", given=GIVEN)


async def tried(attempts: Attempts, retry: Retry = QUICK, seconds: float = 5) -> None:
    async for _ in persist(attempts, retry=retry, deadline=Deadline(seconds), name="x"):
        pass


async def test_an_overloaded_server_is_asked_again() -> None:
    attempts = Attempts(Busy("full"), Busy("full"))
    await tried(attempts)
    assert attempts.made == 3


async def test_it_is_not_asked_for_ever() -> None:
    attempts = Attempts(*[Busy("full")] * 9)
    with pytest.raises(Busy):
        await tried(attempts)
    assert attempts.made == 3


@pytest.mark.parametrize("error", [RetryLater("down"), StreamBroken("broke")])
async def test_an_outage_is_not_asked_again(error: RetryLater) -> None:
    attempts = Attempts(error)
    with pytest.raises(RetryLater):
        await tried(attempts)
    assert attempts.made == 1


async def test_after_the_first_token_nothing_is_asked_again() -> None:
    attempts = Attempts(Busy("full"), before="Ja")
    with pytest.raises(StreamBroken, match="x broke off: full"):
        await tried(attempts)
    assert attempts.made == 1


async def test_the_servers_advice_is_taken_up_to_the_longest_wait() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        await tried(Attempts(Busy("full", after=1.5)), Retry(backoff=0.1, max_backoff=2))
        far = Attempts(Busy("full", after=60))
        with pytest.raises(Busy) as raised:
            await tried(far)
    assert slept == [1.5]
    assert (far.made, raised.value.after) == (1, 60)


async def test_waits_double_and_differ() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        patch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
        await tried(
            Attempts(*[Busy("full")] * 4), Retry(attempts=5, backoff=1, max_backoff=3), seconds=60
        )
    assert slept == [0.75, 1.5, 2.25, 2.25]


async def test_no_wait_goes_beyond_the_deadline() -> None:
    attempts = Attempts(Busy("full"))
    with pytest.raises(Busy):
        await tried(attempts, Retry(backoff=5), seconds=1)
    assert attempts.made == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("-1", None), ("1e9", None), ("9" * 40, None), ("", None)],
)
def test_advice_is_a_number_of_seconds(header: str, seconds: float | None) -> None:
    assert advised(header) == seconds
