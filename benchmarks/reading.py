"""Rows of reading one flow and lists of them, against the bare driver and the peer."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import orjson

from benchmarks.bare import Bare, open_pool
from benchmarks.content import drafts, real_definitions
from benchmarks.database import CONNECTIONS, Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, Rounds, in_turns, shared_out
from benchmarks.scale import Scale
from domain.flows import Flow

BARE, PEER = "bare asyncpg", "advanced-alchemy"
NOISE = ("bare again", BARE)
GOAL = 1.2
GOAL_PEER_ONE = 1 / 4
GOAL_PEER_LIST = 1 / 1.6
GOAL_SUMMARIES = 0.4
TENANT, _REAL = "readers", "real"
_STORED = 500

One = Callable[[UUID], Awaitable[object]]
Page = Callable[[str], Awaitable[object]]


def against(
    rounds: Rounds, name: str, bare: float | None, peer: float | None, *, decoding: bool = False
) -> list[Figure]:
    """Our figures against the bare driver and, if it took part, the peer."""
    what = f"{BARE}, decoding with orjson" if decoding else BARE
    found = [Figure.of(rounds, name=name, of="ours", to=BARE, against=what, goal=bare, noise=NOISE)]
    if PEER in rounds.seconds:
        found.append(Figure.of(rounds, name=name, of="ours", to=PEER, goal=peer, noise=NOISE))
    return found


async def fill(database: Database) -> list[UUID]:
    """What is read: flows of our own form, and of real data where it is at hand; filled once."""
    if stored := await database.bare.ids(TENANT):
        return stored
    made = await database.flows(TENANT).create_many(drafts(_STORED))
    if real := real_definitions(_STORED):
        await database.flows(_REAL).create_many(drafts(len(real), made_of=real))
    await database.settle()
    return [flow.id for flow in made]


async def single(database: Database, scale: Scale) -> list[Figure]:
    """Get: one caller, many callers, and with the definition read."""
    ids = await fill(database)
    flows, bare, peer = database.flows(TENANT), database.bare, database.peer

    async def bare_get(id: UUID) -> Any:
        return await bare.get(TENANT, id)

    async def bare_read(id: UUID) -> Any:
        return orjson.loads((await bare.get(TENANT, id))["definition"])

    async def read(id: UUID) -> Any:
        flow = await flows.require(id)
        return flow.definition.states

    async def peer_get(id: UUID) -> Any:
        return await peer.get(TENANT, id)

    plain: dict[str, One] = {"ours": flows.get_by_id, BARE: bare_get, "bare again": bare_get}
    reading: dict[str, One] = {"ours": read, BARE: bare_read, "bare again": bare_read}
    alone, crowd = scale.operations(25), scale.operations(scale.callers * 2)
    figures: list[Figure] = []
    rounds = await in_turns(getting({**plain, PEER: peer_get}, ids, alone, 1), scale.rounds)
    figures += against(rounds, "get", GOAL, GOAL_PEER_ONE)
    rounds = await in_turns(
        getting({**plain, PEER: peer_get}, ids, crowd, scale.callers), scale.few
    )
    figures += against(rounds, f"get, {scale.callers} callers", GOAL, GOAL_PEER_ONE)
    rounds = await in_turns(getting({**reading, PEER: peer_get}, ids, alone, 1), scale.few)
    figures += against(rounds, "get and read the definition", None, GOAL_PEER_ONE, decoding=True)
    return figures


def getting(
    ways: dict[str, One], ids: Sequence[UUID], operations: int, callers: int
) -> list[Contender]:
    """Contenders who each go through all `ids`, so many callers sharing out the `operations`."""
    operations = max(operations // callers, 1) * callers

    def contender(name: str, way: One) -> Contender:
        turn = cycle(ids)
        return shared_out(
            name,
            way,
            prepare=lambda: list(islice(turn, operations)),
            operations=operations,
            callers=callers,
        )

    return [contender(name, way) for name, way in ways.items()]


async def lists(database: Database, scale: Scale) -> list[Figure]:
    """A page of 50, newest first: as it is, with definitions read, of real data, of summaries."""
    bare, peer = database.bare, database.peer
    await fill(database)

    async def ours(tenant: str) -> Sequence[Flow]:
        page = await database.flows(tenant).scan(order="-created_at", limit=50)
        return page.items

    async def ours_read(tenant: str) -> Any:
        return [flow.definition.states for flow in await ours(tenant)]

    async def bare_read(tenant: str) -> Any:
        return [orjson.loads(row["definition"]) for row in await bare.newest(tenant)]

    async def summaries(tenant: str) -> Any:
        return await database.flows(tenant).summaries(order="-created_at", limit=50)

    plain: dict[str, Page] = {"ours": ours, BARE: bare.newest, "bare again": bare.newest}
    reading: dict[str, Page] = {"ours": ours_read, BARE: bare_read, "bare again": bare_read}
    pages = scale.operations(8)
    figures: list[Figure] = []
    rounds = await in_turns(listing({**plain, PEER: peer.newest}, TENANT, pages), scale.few)
    figures += against(rounds, "list 50", GOAL, GOAL_PEER_LIST)
    rounds = await in_turns(listing({**reading, PEER: peer.newest}, TENANT, pages), scale.few)
    figures += against(
        rounds, "list 50 and read all definitions", None, GOAL_PEER_LIST, decoding=True
    )
    if real_definitions(1):
        rounds = await in_turns(listing({**plain, PEER: peer.newest}, _REAL, pages), scale.few)
        figures += against(rounds, "list 50 of real data", GOAL, GOAL_PEER_LIST)
        rounds = await in_turns(listing({**reading, PEER: peer.newest}, _REAL, pages), scale.few)
        figures += against(
            rounds, "list 50 of real data and read all", None, GOAL_PEER_LIST, decoding=True
        )
    figures += await _summaries(scale, pages, summaries, ours, ours_read)
    return figures


async def _summaries(
    scale: Scale, pages: int, summaries: Page, full: Page, read: Page
) -> list[Figure]:
    ways = {"summaries": summaries, "again": summaries, "list 50": full, "and read": read}
    rounds = await in_turns(listing(ways, TENANT, pages), scale.few)
    noise = ("again", "summaries")
    return [
        Figure.of(
            rounds,
            name="list of 50 summaries",
            of="summaries",
            to=other,
            against=f"our own {title}",
            goal=GOAL_SUMMARIES,
            noise=noise,
        )
        for other, title in (("list 50", "list 50"), ("and read", "list 50 with all read"))
    ]


def listing(ways: dict[str, Page], tenant: str, pages: int) -> list[Contender]:
    """Contenders who each read so many pages of a tenant's."""

    def contender(name: str, way: Page) -> Contender:
        async def work(_: object) -> None:
            for _ in range(pages):
                await way(tenant)

        return Contender(name=name, operations=pages, work=work)

    return [contender(name, way) for name, way in ways.items()]


async def noise(database: Database, scale: Scale) -> list[Figure]:
    """A/A: the bare driver against itself, on two pools."""
    ids = await fill(database)
    pool = await open_pool(database.url, CONNECTIONS)
    try:
        other = await Bare.of(pool)

        def reads(bare: Bare) -> One:
            async def get(id: UUID) -> Any:
                return await bare.get(TENANT, id)

            return get

        ways = {BARE: reads(database.bare), "bare again": reads(other)}
        rounds = await in_turns(getting(ways, ids, scale.operations(25), 1), scale.rounds)
    finally:
        await pool.close()
    return [
        Figure.of(
            rounds,
            name="A/A: get",
            of="bare again",
            to=BARE,
            against=f"{BARE}, a second pool",
            noise=NOISE,
        )
    ]
