"""Rows of the audit trail's chain. Those who write take no part in it, so writers of one tenant are
as fast as writers of as many tenants; and what sealing costs.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs

from adapters.postgres.store import PostgresStore
from benchmarks.content import drafts
from benchmarks.database import Database, opened
from benchmarks.figures import Figure, rate
from benchmarks.measuring import Contender, Rounds, in_turns
from benchmarks.scale import Scale
from benchmarks.stock import new_tenant
from domain.identity import TenantId, tenant_id
from ports.stores import AuthoringMaintenance

GOAL = 1.2
WRITERS = 20
_EACH = 5
_ENTRIES = 500
_ONE, _MANY = "one tenant", f"{WRITERS} tenants"
_AGAIN = f"{_MANY} again"
_SEALED, _UNTOLD = ", sealed meanwhile", ", without audit and outbox"
_NEW, _PATCHED = "entries of new flows", "entries of patches"


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Writers of one tenant and of many, alone and while a sealer of this process is busy, and what
    it is to them without a trail; and the sealer alone.
    """
    async with opened(PostgresStore, database.service_url) as store:
        maintenance = store.maintenance()
        ours, untold = database.store, database.untold
        writers = [
            _writing(writing, name, tenants, scale, sealing)
            for name, tenants, writing, sealing in (
                (_ONE, 1, ours, None),
                (_MANY, WRITERS, ours, None),
                (_AGAIN, WRITERS, ours, None),
                (_ONE + _SEALED, 1, ours, maintenance),
                (_MANY + _SEALED, WRITERS, ours, maintenance),
                (_ONE + _UNTOLD, 1, untold, None),
                (_MANY + _UNTOLD, WRITERS, untold, None),
            )
        ]
        sealers = [
            _sealing(database, maintenance, name, scale, patched=patched)
            for name, patched in ((_NEW, False), (_PATCHED, True))
        ]
        await database.settle()
        written = await in_turns(writers, scale.few)
        sealed = await in_turns([*writers[:3], *sealers], scale.fewest, warm_up=1)
    name, entry = f"sealing: {WRITERS} writers of one tenant", "sealing: an entry of a"
    return [
        *_figures(
            written,
            (name, _ONE, _MANY, f"of {_MANY}", GOAL),
            (name + _UNTOLD, _ONE + _UNTOLD, _MANY + _UNTOLD, f"of {_MANY}{_UNTOLD}", None),
            (name + _SEALED, _ONE + _SEALED, _MANY + _SEALED, f"of {_MANY}{_SEALED}", GOAL),
            (name + _SEALED, _ONE + _SEALED, _ONE, "not sealed meanwhile", None),
        ),
        *_figures(
            sealed,
            (f"{entry} new flow", _NEW, _ONE, f"writing a flow, {WRITERS} at once", None),
            (f"{entry} patch", _PATCHED, _ONE, f"writing a flow, {WRITERS} at once", None),
        ),
    ]


def _figures(rounds: Rounds, *told: tuple[str, str, str, str, float | None]) -> list[Figure]:
    """Of each: what the figure is called, of what contender it is, to what other, and how that is
    called; the goal.
    """
    return [
        attrs.evolve(
            Figure.of(
                rounds,
                name=name,
                of=of,
                to=to,
                against=against,
                goal=goal,
                noise=(_AGAIN, _MANY),
            ),
            ours=rate(rounds.median(of)),
            theirs=rate(rounds.median(to)),
        )
        for name, of, to, against, goal in told
    ]


def _writing(
    store: PostgresStore,
    name: str,
    tenants: int,
    scale: Scale,
    sealing: AuthoringMaintenance | None,
) -> Contender:
    each = scale.operations(_EACH)

    def prepare() -> Any:
        named = [tenant_id(new_tenant()) for _ in range(tenants)]
        made = [list(drafts(each, kind=f"by {writer}")) for writer in range(WRITERS)]
        return named, made

    async def work(given: Any) -> Any:
        named, made = given
        over = asyncio.Event()
        sealer = None
        if sealing is not None:
            sealer = asyncio.create_task(_seal_until(over, sealing, named))

        async def write(writer: int) -> None:
            flows = store.repositories(named[writer % tenants]).flows
            for draft in made[writer]:
                await flows.create(draft)

        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
        return over, sealer

    async def tidy(left: Any) -> None:
        over, sealer = left
        over.set()
        if sealer is not None:
            await sealer

    return Contender(name=name, operations=WRITERS * each, prepare=prepare, work=work, tidy=tidy)


async def _seal_until(
    over: asyncio.Event, maintenance: AuthoringMaintenance, tenants: Sequence[TenantId]
) -> None:
    while not over.is_set():
        for tenant in tenants:
            await maintenance.seal_audit(tenant)
            if over.is_set():
                break


def _sealing(
    database: Database,
    maintenance: AuthoringMaintenance,
    name: str,
    scale: Scale,
    *,
    patched: bool,
) -> Contender:
    entries = scale.operations(_ENTRIES)

    async def prepare() -> TenantId:
        tenant = tenant_id(new_tenant())
        flows = database.store.repositories(tenant).flows
        await flows.create_many(drafts(entries))
        if patched:
            await _seal_all(maintenance, tenant)
            await flows.update_where(None, category="sealed")
        return tenant

    async def work(tenant: TenantId) -> TenantId:
        assert await _seal_all(maintenance, tenant) == entries
        return tenant

    async def tidy(tenant: TenantId) -> None:
        await database.bare.drop(tenant)

    return Contender(name=name, operations=entries, prepare=prepare, work=work, tidy=tidy)


async def _seal_all(maintenance: AuthoringMaintenance, tenant: TenantId) -> int:
    sealed = 0
    while batch := await maintenance.seal_audit(tenant):
        sealed += batch
    return sealed
