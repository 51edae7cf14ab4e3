"""Row of the unit of work: one transaction with four statements."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from adapters.postgres.store import PostgresStore
from benchmarks.bare import Bare, Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import NOISE
from benchmarks.scale import Scale
from benchmarks.stock import described, new_tenant, template
from benchmarks.writing import UNTOLD, told
from domain.flows import Flow
from domain.identity import tenant_id

GOAL = 1.25
OPERATIONS = 5
_turns = count()


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Get one, compare-and-set it, insert another, ask if it exists; snapshot isolation in both."""
    operations = scale.operations(OPERATIONS)
    stored = await template(database, 2 * operations)
    contenders = [
        await working(database.store, "ours", operations),
        await working(database.untold, UNTOLD, operations),
        *[await _by_hand(database.bare, name, stored, operations) for name in NOISE],
    ]
    await database.settle()
    rounds = await in_turns(contenders, scale.rounds)
    return told(rounds, "unit of work of four statements", GOAL, None)


async def working(store: PostgresStore, name: str, operations: int) -> Contender:
    """Units of a store of ours, all for a tenant of its own."""
    tenant = tenant_id(new_tenant())
    flows = store.repositories(tenant).flows
    await flows.create_many(drafts(operations))
    current = [flow async for flow in flows.stream()]
    held = [flow.id for flow in current]

    def prepare() -> Any:
        turn = next(_turns)
        edited = [flow.edited(description=f"Edited in turn {turn}.") for flow in current]
        return list(zip(edited, drafts(operations, kind=f"new {turn}"), strict=True))

    async def work(given: Any) -> None:
        for index, (flow, draft) in enumerate(given):
            async with store.unit(tenant) as unit:
                await unit.flows.get_by_id(flow.id)
                current[index] = await unit.flows.update(flow)
                created: Flow = await unit.flows.create(draft)
                await unit.flows.exists(created.id)

    async def tidy(_: Any) -> None:
        await flows.delete_where(flows.where("id").not_in(held))

    return Contender(name=name, operations=operations, prepare=prepare, work=work, tidy=tidy)


async def _by_hand(bare: Bare, name: str, rows: Sequence[Row], operations: int) -> Contender:
    tenant = new_tenant()
    current = bare.under(tenant, rows[:operations])
    await bare.copy(current)
    held = [row[bare.place["id"]] for row in current]

    def prepare() -> Any:
        text = f"Edited in turn {next(_turns)}."
        edited = [described(bare, row, text) for row in current]
        return list(zip(edited, bare.under(tenant, rows[operations:]), strict=True))

    async def work(given: Any) -> list[int]:
        revisions = []
        for changed, added in given:
            async with (
                bare.pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read"),
            ):
                await bare.get(tenant, changed[bare.place["id"]], on=connection)
                answer = await bare.replace(changed, on=connection)
                await bare.insert(added, on=connection)
                await bare.exists(tenant, added[bare.place["id"]], on=connection)
                revisions.append(answer["revision"])
        return revisions

    async def tidy(revisions: list[int]) -> None:
        current[:] = [
            bare.altered(row, {"revision": revision})
            for row, revision in zip(current, revisions, strict=True)
        ]
        await bare.drop(tenant, but=held)

    return Contender(name=name, operations=operations, prepare=prepare, work=work, tidy=tidy)
