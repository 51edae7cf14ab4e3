"""Rows of the audit trail's chain. Those who write take no part in it, so writers of one tenant are
as fast as writers of as many tenants; and what sealing costs.
"""

import asyncio
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
_BACKLOG = 2_000
"""Entries that a sealer is busy with for longer than the writers beside it."""

_ONE, _MANY = "one tenant", f"{WRITERS} tenants"
_AGAIN = f"{_MANY} again"
_UNTOLD = ", without audit and outbox"
_SEALED, _OTHERS = ", sealed meanwhile", "another tenant's entries sealed meanwhile"
_NEW, _PATCHED = "entries of new flows", "entries of patches"

_FILL = (
    "INSERT INTO audit_entries "
    "(tenant_id, id, at, action, entity_type, entity_id, revision, changes) "
    "SELECT $1, gen_random_uuid(), date_trunc('milliseconds', now()), 'updated', 'flow', "
    """gen_random_uuid(), 2, '{"name":["before","after"]}' FROM generate_series(1, $2::bigint)"""
)


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Writers of one tenant and of many, and what the difference is without a trail; writers whose
    own entries a sealer of this process is busy with, and writers beside whom it has as much to do
    for somebody else; and the sealer alone.
    """
    async with opened(PostgresStore, database.service_url) as store:
        maintenance = store.maintenance()
        ours, untold = database.store, database.untold
        writers = [
            _writing(ours, _ONE, 1, scale),
            _writing(ours, _MANY, WRITERS, scale),
            _writing(ours, _AGAIN, WRITERS, scale),
            _writing(untold, _ONE + _UNTOLD, 1, scale),
            _writing(untold, _MANY + _UNTOLD, WRITERS, scale),
            _sealed_beside(_writing(ours, _ONE + _SEALED, 1, scale), database, maintenance, 0),
            _sealed_beside(_writing(ours, _OTHERS, 1, scale), database, maintenance, 1),
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
            (name + _SEALED, _ONE + _SEALED, _OTHERS, _OTHERS, GOAL),
            (name + _SEALED, _ONE + _SEALED, _ONE, "nothing sealed meanwhile", None),
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


def _writing(store: PostgresStore, name: str, tenants: int, scale: Scale) -> Contender:
    each = scale.operations(_EACH)

    def prepare() -> Any:
        named = [tenant_id(new_tenant()) for _ in range(tenants)]
        made = [list(drafts(each, kind=f"by {writer}")) for writer in range(WRITERS)]
        return named, made

    async def work(given: Any) -> None:
        named, made = given

        async def write(writer: int) -> None:
            flows = store.repositories(named[writer % tenants]).flows
            for draft in made[writer]:
                await flows.create(draft)

        await asyncio.gather(*(write(writer) for writer in range(WRITERS)))

    return Contender(name=name, operations=WRITERS * each, prepare=prepare, work=work)


def _sealed_beside(
    writing: Contender, database: Database, maintenance: AuthoringMaintenance, place: int
) -> Contender:
    """The same, while the backlog of the writers' tenant is sealed, or (1) that of another."""

    async def prepare() -> Any:
        given = writing.prepare()
        tenants = [given[0][0], tenant_id(new_tenant())]
        await database.bare.pool.execute(_FILL, tenants[place], _BACKLOG)
        return given, tenants

    async def work(prepared: Any) -> Any:
        given, tenants = prepared
        over = asyncio.Event()
        sealer = asyncio.create_task(_seal_until(over, maintenance, tenants[place]))
        await writing.work(given)
        return over, sealer, tenants

    async def tidy(left: Any) -> None:
        over, sealer, tenants = left
        over.set()
        await sealer
        for tenant in tenants:
            await database.bare.drop(tenant)

    return attrs.evolve(writing, prepare=prepare, work=work, tidy=tidy)


async def _seal_until(
    over: asyncio.Event, maintenance: AuthoringMaintenance, tenant: TenantId
) -> None:
    while not over.is_set():
        await maintenance.seal_audit(tenant, 250)


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
