"""Rows of what audit and outbox cost each kind of write: ours with them, ours without, and the bare
statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from adapters.postgres.store import PostgresStore
from benchmarks.bare import Bare, Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import NOISE
from benchmarks.scale import Scale
from benchmarks.stock import new_tenant, template
from benchmarks.writing import (
    UNTOLD,
    inserting,
    inserting_by_hand,
    replacing,
    replacing_by_hand,
    text,
    told,
)
from domain.identity import tenant_id

Ours = Callable[[PostgresStore, str, int], Awaitable[Contender]]
ByHand = Callable[[Bare, str, Sequence[Row]], Awaitable[Contender]]


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Insert, compare-and-set, patch and delete of one flow."""
    operations = scale.operations(10)
    stored = await template(database, operations)
    figures: list[Figure] = []
    for name, (ours, by_hand) in _WRITES.items():
        contenders = [
            await ours(database.store, "ours", operations),
            await ours(database.untold, UNTOLD, operations),
            *[await by_hand(database.bare, called, stored) for called in NOISE],
        ]
        await database.settle()
        figures += told(await in_turns(contenders, scale.rounds), f"audited {name}", None)
    return figures


async def _inserting(store: PostgresStore, name: str, operations: int) -> Contender:
    return inserting(store, name, operations)


async def _inserting_by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    return inserting_by_hand(bare, name, rows)


async def _patching(store: PostgresStore, name: str, operations: int) -> Contender:
    flows = store.repositories(tenant_id(new_tenant())).flows
    ids = [flow.id for flow in await flows.create_many(drafts(operations))]

    async def work(described: str) -> None:
        for id in ids:
            await flows.patch(id, description=described)

    return Contender(name=name, operations=operations, prepare=text, work=work)


async def _patching_by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    tenant = new_tenant()
    written = bare.under(tenant, rows)
    await bare.copy(written)
    ids: list[UUID] = [row[bare.place["id"]] for row in written]

    async def work(described: str) -> None:
        for id in ids:
            await bare.describe(tenant, id, described)

    return Contender(name=name, operations=len(rows), prepare=text, work=work)


async def _deleting(store: PostgresStore, name: str, operations: int) -> Contender:
    flows = store.repositories(tenant_id(new_tenant())).flows

    async def prepare() -> list[UUID]:
        return [flow.id for flow in await flows.create_many(drafts(operations))]

    async def work(ids: Sequence[UUID]) -> None:
        for id in ids:
            assert await flows.delete(id)

    return Contender(name=name, operations=operations, prepare=prepare, work=work)


async def _deleting_by_hand(bare: Bare, name: str, rows: Sequence[Row]) -> Contender:
    tenant = new_tenant()

    async def prepare() -> list[UUID]:
        written = bare.under(tenant, rows)
        await bare.copy(written)
        return [row[bare.place["id"]] for row in written]

    async def work(ids: Sequence[UUID]) -> None:
        for id in ids:
            await bare.delete(tenant, id)

    return Contender(name=name, operations=len(rows), prepare=prepare, work=work)


_WRITES: dict[str, tuple[Ours, ByHand]] = {
    "insert": (_inserting, _inserting_by_hand),
    "compare-and-set": (replacing, replacing_by_hand),
    "patch": (_patching, _patching_by_hand),
    "delete": (_deleting, _deleting_by_hand),
}
