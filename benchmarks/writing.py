"""Rows of writing one flow: insert and compare-and-set."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from benchmarks.bare import Bare, Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import GOAL, NOISE, PEER, against
from benchmarks.scale import Scale
from benchmarks.stock import described, fresh_models, fresh_rows, new_tenant, template
from domain.flows import Flow

GOAL_PEER = 1 / 6
_turns = count()


def _text() -> str:
    return f"Answers what customers ask, as edited in turn {next(_turns)}."


async def insert(database: Database, scale: Scale) -> list[Figure]:
    """Insert one, each with a definition that has to be encoded."""
    operations = scale.operations(10)
    rows = await template(database, operations)
    bare, peer = database.bare, database.peer

    async def ours(given: Any) -> None:
        flows, made = given
        for draft in made:
            await flows.create(draft)

    async def by_hand(given: Sequence[Row]) -> None:
        for row in given:
            await bare.insert(row)

    async def by_peer(given: Sequence[Any]) -> None:
        for model in given:
            await peer.insert(model)

    contenders = [
        Contender(
            name="ours",
            operations=operations,
            prepare=lambda: (database.flows(new_tenant()), list(drafts(operations))),
            work=ours,
        ),
        *(
            Contender(
                name=name, operations=operations, prepare=fresh_rows(bare, rows), work=by_hand
            )
            for name in NOISE
        ),
        Contender(
            name=PEER,
            operations=operations,
            prepare=fresh_models(peer, bare, rows),
            work=by_peer,
        ),
    ]
    await database.settle()
    return against(await in_turns(contenders, scale.rounds), "insert", GOAL, GOAL_PEER)


async def replace(database: Database, scale: Scale) -> list[Figure]:
    """Compare-and-set of flows that were read before, with another description."""
    operations = scale.operations(10)
    rows = await template(database, operations)
    contenders = [
        await _ours(database, operations),
        *[await _by_hand(database.bare, name, rows) for name in NOISE],
        await _by_peer(database, rows),
    ]
    await database.settle()
    rounds = await in_turns(contenders, scale.rounds)
    return against(rounds, "compare-and-set", GOAL, GOAL_PEER)


async def _ours(database: Database, operations: int) -> Contender:
    flows = database.flows(new_tenant())
    await flows.create_many(drafts(operations))
    current = [flow async for flow in flows.stream()]

    async def work(given: Sequence[Flow]) -> None:
        for index, flow in enumerate(given):
            current[index] = await flows.update(flow)

    return Contender(
        name="ours",
        operations=operations,
        prepare=lambda: [flow.edited(description=_text()) for flow in current],
        work=work,
    )


async def _by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    current = bare.under(new_tenant(), rows)
    await bare.copy(current)

    async def work(given: Sequence[Row]) -> list[Any]:
        return [await bare.replace(row) for row in given]

    async def tidy(answers: list[Any]) -> None:
        current[:] = [
            bare.altered(row, {"revision": answer["revision"]})
            for row, answer in zip(current, answers, strict=True)
        ]

    return Contender(
        name=name,
        operations=len(rows),
        prepare=lambda: [described(bare, row, _text()) for row in current],
        work=work,
        tidy=tidy,
    )


async def _by_peer(database: Database, rows: Sequence[Row]) -> Contender:
    bare, peer = database.bare, database.peer
    tenant = new_tenant()
    written = bare.under(tenant, rows)
    await bare.copy(written)
    current = [await peer.get(tenant, row[bare.place["id"]]) for row in written]

    def prepare() -> list[Any]:
        for model in current:
            model.description = text = _text()
            model.description_folded = text.casefold()
        return current

    async def work(given: Sequence[Any]) -> list[Any]:
        return [await peer.replace(model) for model in given]

    async def tidy(updated: list[Any]) -> None:
        current[:] = updated

    return Contender(name=PEER, operations=len(rows), prepare=prepare, work=work, tidy=tidy)
