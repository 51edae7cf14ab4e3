"""Rows of the outbox: events on their way through dispatchers to a consumer that does nothing.

Two dispatchers share this process, and so its processor: what they gain is what one leaves unused
while it waits for the server.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import attrs

from adapters.postgres.store import PostgresStore
from benchmarks.database import Database, opened
from benchmarks.figures import Figure, rate
from benchmarks.measuring import Contender, in_turns
from benchmarks.scale import Scale
from domain.outbox import ChangeEvent
from ports.dispatch import Dispatcher, DispatchOptions
from ports.outbox import Consumer
from ports.stores import AuthoringStore

_EVENTS = 200
_TENANTS = 10
_OPTIONS = DispatchOptions(interval=timedelta(milliseconds=20))
"""A short rest, so that nobody sleeps through half a turn when there is something to do."""

_CLEAR = "TRUNCATE outbox, outbox_deliveries, outbox_consumers"
_FILL = (
    "INSERT INTO outbox (tenant_id, id, at, action, entity_type, entity_id, revision) "
    "SELECT 'dispatched-' || n % $2::bigint, gen_random_uuid(), now(), 'updated', 'flow', "
    "coalesce($3::uuid, gen_random_uuid()), n FROM generate_series(1, $1::bigint) AS n"
)


class _Nothing(Consumer):
    """Counts what it is given; `all_came` is set when that was so many."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.all_came = asyncio.Event()

    @property
    def name(self) -> str:
        return "benchmark"

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        self._left -= len(events)
        if self._left <= 0:
            self.all_came.set()


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """Events of as many entities, and of a single one; one dispatcher, and two."""
    count = scale.operations(_EVENTS)
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(opened(PostgresStore, database.service_url))
            for _ in range(2)
        ]
        contenders = [
            _dispatching(database, stores[:dispatchers], name, count, of_one)
            for name, dispatchers, of_one in (
                ("many", 1, False),
                ("many again", 1, False),
                ("many, two", 2, False),
                ("one", 1, True),
                ("one, two", 2, True),
            )
        ]
        rounds = await in_turns(contenders, scale.fewest, warm_up=1, between=database.settle)
    many, one = f"{count} entities", "one entity"
    told = [
        (f"of {many}, two dispatchers", "many, two", "many", "one dispatcher"),
        (f"of {one}", "one", "many", f"of {many}"),
        (f"of {one}, two dispatchers", "one, two", "one", "one dispatcher"),
    ]
    return [
        attrs.evolve(
            Figure.of(
                rounds,
                name=f"dispatch: {count} events {name}",
                of=of,
                to=to,
                against=against,
                noise=("many again", "many"),
            ),
            ours=rate(rounds.median(of)),
            theirs=rate(rounds.median(to)),
        )
        for name, of, to, against in told
    ]


def _dispatching(
    database: Database, stores: Sequence[AuthoringStore], name: str, count: int, of_one: bool
) -> Contender:
    async def prepare() -> None:
        pool = database.bare.pool
        await pool.execute(_CLEAR)
        await pool.execute(_FILL, count, 1 if of_one else _TENANTS, uuid4() if of_one else None)

    async def work(_: object) -> None:
        consumer = _Nothing(count)
        async with AsyncExitStack() as stack:
            for store in stores:
                outbox = store.maintenance().outbox
                dispatcher = Dispatcher(outbox, [consumer], options=_OPTIONS)
                await stack.enter_async_context(dispatcher.running())
            await consumer.all_came.wait()

    return Contender(name=name, operations=count, prepare=prepare, work=work)
