"""Rows of what row-level security costs: the same statements of ours, once as services connect and
once as the owner, for whom it doesn't hold.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from adapters.postgres.store import PostgresStore
from benchmarks.database import Database, opened
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.reading import TENANT, Page, fill, getting, listing
from benchmarks.scale import Scale
from benchmarks.units import OPERATIONS, working
from benchmarks.writing import inserting, replacing
from domain.identity import tenant_id

GOAL = 1.1
_UNBOUND, _AGAIN = "owner", "owner again"

Make = Callable[[PostgresStore, str], Awaitable[Contender]]


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Get, insert, compare-and-set, a list of 50, a unit of work."""
    ids = await fill(database)

    async def get(store: PostgresStore, name: str) -> Contender:
        flows = store.repositories(tenant_id(TENANT)).flows
        (contender,) = getting({name: flows.get_by_id}, ids, scale.operations(25), 1)
        return contender

    async def pages(store: PostgresStore, name: str) -> Contender:
        (contender,) = listing({name: _newest(store)}, TENANT, scale.operations(8))
        return contender

    async def insert(store: PostgresStore, name: str) -> Contender:
        return inserting(store, name, scale.operations(10))

    async def replace(store: PostgresStore, name: str) -> Contender:
        return await replacing(store, name, scale.operations(10))

    async def unit(store: PostgresStore, name: str) -> Contender:
        return await working(store, name, scale.operations(OPERATIONS))

    works: dict[str, tuple[Make, int]] = {
        "get": (get, scale.rounds),
        "insert": (insert, scale.rounds),
        "compare-and-set": (replace, scale.rounds),
        "list 50": (pages, scale.few),
        "unit of work of four statements": (unit, scale.rounds),
    }
    figures: list[Figure] = []
    async with opened(PostgresStore, database.url) as owners:
        for name, (make, rounds) in works.items():
            contenders = [
                await make(database.store, "service"),
                *[await make(owners, called) for called in (_UNBOUND, _AGAIN)],
            ]
            await database.settle()
            figures.append(
                Figure.of(
                    await in_turns(contenders, rounds),
                    name=f"row-security: {name}",
                    of="service",
                    to=_UNBOUND,
                    against="ours, without row-level security",
                    goal=GOAL,
                    noise=(_AGAIN, _UNBOUND),
                )
            )
    return figures


def _newest(store: PostgresStore) -> Page:
    async def newest(tenant: str) -> Any:
        flows = store.repositories(tenant_id(tenant)).flows
        return await flows.scan(order="-created_at", limit=50)

    return newest
