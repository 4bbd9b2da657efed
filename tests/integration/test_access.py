"""Nobody meets a page that their labels don't open: random label sets on the sample campus."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.app.http.documents import AnswerDocument
from rag.app.wiring import Campus
from rag.core.answers import Answer, Question, Retrieved
from rag.core.records import Labels, Record
from rag.core.settings import load
from tests.conftest import PROJECT
from tests.integration.conftest import Rag

BOTS = ("it-support", "courses")
LABELS = st.frozensets(st.sampled_from(["public", "staff", "student", "PUBLIC", "staff "]))
CASES = [
    json.loads(line)["question"]
    for file in sorted((PROJECT / "config" / "sample" / "cases").glob("*.jsonl"))
    for line in file.read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def campus(rag: Rag) -> Campus:
    return Campus(load(rag.config), rag.data)


@pytest.fixture(scope="module")
def secrets(campus: Campus) -> dict[str, Record]:
    """Every record that is not for everybody, by its id."""
    records = [
        change.record
        for name in campus.settings.sources
        for change in campus.source(name).changes(None)
        if hasattr(change, "record")
    ]
    hidden = {record.id: record for record in records if "public" not in record.labels}
    assert len(hidden) > 70
    return hidden


def searched(campus: Campus, bot: str, question: str, labels: Labels) -> Retrieved:
    return campus.retriever(bot).retrieve(Question(text=question), labels=labels, limit=200)


async def answered(campus: Campus, bot: str, question: str, labels: Labels) -> Answer:
    items = [i async for i in campus.bot(bot).answer(Question(text=question), labels=labels)]
    assert isinstance(items[-1], Answer)
    return items[-1]


questions = st.one_of(
    st.sampled_from(CASES),
    st.sampled_from(["Rufbereitschaft", "firewall", "vault", "interne Notiz", "PE-1101", "staff"]),
)
unhurried = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@unhurried
@given(bot=st.sampled_from(BOTS), question=questions, labels=LABELS)
def test_what_is_found_shares_a_label_with_the_asker(
    campus: Campus, bot: str, question: str, labels: Labels
) -> None:
    for each in searched(campus, bot, question, labels).passages:
        assert each.passage.labels & labels


@unhurried
@given(
    bot=st.sampled_from(BOTS), question=questions, labels=LABELS.filter(lambda s: "staff" not in s)
)
def test_without_the_label_a_staff_page_is_neither_quoted_nor_named(
    campus: Campus, secrets: dict[str, Record], bot: str, question: str, labels: Labels
) -> None:
    answer = asyncio.run(answered(campus, bot, question, labels))
    shown = AnswerDocument.of(answer).model_dump_json()
    for record_id, record in secrets.items():
        assert f'"{record_id}"' not in shown
        if record.source != "it-tickets":
            # A ticket's notes share the ticket's address, which may be public.
            assert record.url not in shown


def test_with_the_label_the_same_pages_are_found(
    campus: Campus, secrets: dict[str, Record]
) -> None:
    """So that the tests above don't pass because nothing is there."""
    found = set()
    for record in list(secrets.values())[::9]:
        bot = "courses" if record.source == "courses" else "it-support"
        hits = searched(campus, bot, record.title, frozenset({"staff"})).passages
        found |= {hit.passage.record_id for hit in hits} & {record.id}
    assert len(found) == len(list(secrets.values())[::9])


def test_an_asker_without_labels_finds_nothing(campus: Campus) -> None:
    for question in CASES[:10]:
        assert not searched(campus, "it-support", question, frozenset()).passages
