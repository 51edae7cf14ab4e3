"""Rows of writing one flow: insert and compare-and-set.

Ours writes an audit entry and an outbox row with each; so that the rest can be told from that, it
is measured without them, too.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from adapters.postgres.store import PostgresStore
from benchmarks.bare import Bare, Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, Rounds, in_turns
from benchmarks.reading import BARE, GOAL, NOISE, PEER, against
from benchmarks.scale import Scale
from benchmarks.stock import described, fresh_models, fresh_rows, new_tenant, template
from domain.flows import Flow
from domain.identity import tenant_id

UNTOLD = "ours, without audit and outbox"
GOAL_TOLD = 1.4
"""What audit and outbox may make of a write."""
GOAL_PEER = 1 / 6
_turns = count()


def told(
    rounds: Rounds, name: str, goal: float | None = GOAL, peer: float | None = GOAL_PEER
) -> list[Figure]:
    """Our figures: with audit and outbox against everybody, and without them against the bare
    driver, for which `goal` is the most.
    """
    return [
        *against(rounds, name, None if goal is None else goal * GOAL_TOLD, peer),
        Figure.of(rounds, name=name, of="ours", to=UNTOLD, goal=GOAL_TOLD, noise=NOISE),
        Figure.of(
            rounds,
            name=f"{name}, without audit and outbox",
            of=UNTOLD,
            to=BARE,
            goal=goal,
            noise=NOISE,
        ),
    ]


def text() -> str:
    """Another description at each call."""
    return f"Answers what customers ask, as edited in turn {next(_turns)}."


async def insert(database: Database, scale: Scale) -> list[Figure]:
    """Insert one, each with a definition that has to be encoded."""
    operations = scale.operations(10)
    rows = await template(database, operations)
    peer = database.peer

    async def by_peer(given: Sequence[Any]) -> None:
        for model in given:
            await peer.insert(model)

    contenders = [
        inserting(database.store, "ours", operations),
        inserting(database.untold, UNTOLD, operations),
        *(inserting_by_hand(database.bare, name, rows) for name in NOISE),
        Contender(
            name=PEER,
            operations=operations,
            prepare=fresh_models(peer, database.bare, rows),
            work=by_peer,
        ),
    ]
    await database.settle()
    return told(await in_turns(contenders, scale.rounds), "insert")


def inserting(store: PostgresStore, name: str, operations: int) -> Contender:
    """A store of ours creates flows, each time for a new tenant."""

    async def work(given: Any) -> None:
        flows, made = given
        for draft in made:
            await flows.create(draft)

    return Contender(
        name=name,
        operations=operations,
        prepare=lambda: (
            store.repositories(tenant_id(new_tenant())).flows,
            list(drafts(operations)),
        ),
        work=work,
    )


def inserting_by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    """The bare driver inserts these rows, each time for a new tenant."""

    async def work(given: Sequence[Row]) -> None:
        for row in given:
            await bare.insert(row)

    return Contender(name=name, operations=len(rows), prepare=fresh_rows(bare, rows), work=work)


async def replace(database: Database, scale: Scale) -> list[Figure]:
    """Compare-and-set of flows that were read before, with another description."""
    operations = scale.operations(10)
    rows = await template(database, operations)
    contenders = [
        await replacing(database.store, "ours", operations),
        await replacing(database.untold, UNTOLD, operations),
        *[await replacing_by_hand(database.bare, name, rows) for name in NOISE],
        await _by_peer(database, rows),
    ]
    await database.settle()
    return told(await in_turns(contenders, scale.rounds), "compare-and-set")


async def replacing(store: PostgresStore, name: str, operations: int) -> Contender:
    """A store of ours updates flows of a tenant of its own."""
    flows = store.repositories(tenant_id(new_tenant())).flows
    await flows.create_many(drafts(operations))
    current = [flow async for flow in flows.stream()]

    async def work(given: Sequence[Flow]) -> None:
        for index, flow in enumerate(given):
            current[index] = await flows.update(flow)

    return Contender(
        name=name,
        operations=operations,
        prepare=lambda: [flow.edited(description=text()) for flow in current],
        work=work,
    )


async def replacing_by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    """The bare driver updates these rows, of a tenant of its own."""
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
        prepare=lambda: [described(bare, row, text()) for row in current],
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
            model.description = description = text()
            model.description_folded = description.casefold()
        return current

    async def work(given: Sequence[Any]) -> list[Any]:
        return [await peer.replace(model) for model in given]

    async def tidy(updated: list[Any]) -> None:
        current[:] = updated

    return Contender(name=PEER, operations=len(rows), prepare=prepare, work=work, tidy=tidy)
