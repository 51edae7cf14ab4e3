"""Hostile text comes back as it went in, and means nothing on the way."""

import asyncio

import pytest

from domain.documents import JsonObject
from domain.flows import Flow, MetricIncrements
from tests.postgres.opening import new_tenant, store

_HOSTILE = [
    "'; DROP TABLE flows; --",
    '"$1 %s %(name)s {name} :name',
    "%_\\'\"",
    "\\",
    "$where",
    "***:(?i)",
    "a\nb\rc\td",
    "\u2028\ufeff\u202e",
    "\U0010ffff\U0001f600",
    "ﬁ İ ſ ẞ ΐ",
]


@pytest.mark.parametrize("text", _HOSTILE)
def test_hostile_text_is_only_text(url: str, text: str) -> None:
    """In columns, in documents, as operand, as term, as figure's name and in a cursor."""

    async def scenario() -> None:
        async with store(url) as opened:
            flows = opened.repositories(new_tenant()).flows
            flow = await flows.create(
                Flow.draft(
                    name=text,
                    description=text,
                    tags=[text],
                    category=text,
                    trigger_conditions={text: [text, {text: None}]},
                )
            )
            other = await flows.create(Flow.draft(name="another"))
            assert await flows.require(flow.id) == flow
            where = flows.where
            for criteria in (
                where("name").eq(text),
                where("name").contains(text),
                where("name").icontains(text),
                where("name").startswith(text),
                where("tags").any_of([text]),
                where("category").in_([text, "other"]),
            ):
                assert [found.id for found in (await flows.list(criteria)).items] == [flow.id]
            assert (await flows.search(text)).items[0].id == flow.id
            page = await flows.scan(order="name", limit=1)
            rest = await flows.scan(order="name", limit=1, after=page.next)
            assert {page.items[0].id, rest.items[0].id} == {flow.id, other.id}
            figures = MetricIncrements(executions=1, custom_metrics={text: 0.1})
            day = flow.created_at.date()
            await flows.record_metrics(flow.id, day, figures)
            total = await flows.record_metrics(flow.id, day, figures)
            assert total.totals.custom_metrics == {text: 0.2}

    asyncio.run(scenario())


def test_long_names_of_wide_characters_fit_every_index(url: str) -> None:
    """A btree entry holds at most 2704 bytes, a name up to 255 characters of four each."""

    async def scenario() -> None:
        async with store(url) as opened:
            wide = [chr(0x1F600 + n % 80) for n in range(10_000)]
            flows = opened.repositories(new_tenant()).flows
            flow = await flows.create(
                Flow.draft(
                    name="".join(wide[:255]),
                    version="".join(wide[:50]),
                    description="".join(wide),
                    tags=["".join(wide[n : n + 50]) for n in range(50)],
                )
            )
            assert await flows.get_by_name_and_version(flow.name, flow.version) == flow
            assert (await flows.search("".join(wide[400:700]))).total == 1

    asyncio.run(scenario())


def test_numbers_keep_their_form(url: str) -> None:
    """3 stays an integer and 3.0 a float, the sign of zero and every digit included."""

    async def scenario() -> None:
        async with store(url) as opened:
            flows = opened.repositories(new_tenant()).flows
            numbers = [3, 3.0, -0.0, 1e300, 5e-324, 2**63 - 1, -(2**63), 0.1 + 0.2]
            flow = await flows.create(
                Flow.draft(name="a", trigger_conditions={"z": numbers, "a": 1, "": 2})
            )
            kept = (await flows.require(flow.id)).trigger_conditions
            assert repr(kept) == repr(JsonObject.of({"z": numbers, "a": 1, "": 2}))

    asyncio.run(scenario())
