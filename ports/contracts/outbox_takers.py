"""Consumers as contracts have them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.audit import AuditAction
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.contracts.harness import Backend
from ports.dispatch import Dispatcher, DispatchOptions
from ports.outbox import Backlog, Consumer, ConsumerBacklog, Outbox
from ports.stores import AuthoringMaintenance

PAUSE = timedelta(seconds=8)
PATIENCE = 20.0
"""Seconds after which what should happen doesn't."""

PATIENT = DispatchOptions(
    interval=timedelta(milliseconds=5),
    timeout=timedelta(minutes=10),
    first_pause=PAUSE,
    longest_pause=timedelta(minutes=1),
)
"""Nothing times out; what is refused waits until the contract moves the clock."""


class Refusal(Exception):
    """Raised by a consumer that takes nothing."""


class Taker(Consumer):
    """Remembers one tenant's events, and takes all others' without a word.

    It refuses what concerns the entities in `refusing`, and is held up, until it is released, by
    those in `hanging`.
    """

    def __init__(self, tenant: TenantId, name: str | None = None) -> None:
        self.tenant = tenant
        self._name = f"contract {uuid4()}" if name is None else name
        self.taken: list[ChangeEvent] = []
        self.offered: list[Sequence[ChangeEvent]] = []
        self.refusing: set[UUID] = set()
        self.error: BaseException = Refusal()
        self.hanging: dict[UUID, asyncio.Event] = {}
        self.called = asyncio.Event()
        """Somebody hangs on it."""

        self.progress = asyncio.Event()

    @property
    def name(self) -> str:
        return self._name

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        if events[0].tenant_id != self.tenant:
            return
        self.offered.append(events)
        entity = events[0].entity_id
        await asyncio.sleep(0)
        if entity in self.hanging:
            self.called.set()
            await self.hanging[entity].wait()
        if entity in self.refusing:
            raise self.error
        self.taken.extend(events)
        self.progress.set()

    async def has(self, count: int, entity: Any = None) -> None:
        """Wait until it has taken so many events, of one entity or altogether."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(self.taken if entity is None else self.of(entity)) < count:
                    self.progress.clear()
                    await self.progress.wait()
                return
        pytest.fail(f"{len(self.taken)} events were taken, and no more came")

    def of(self, entity: Any) -> list[tuple[AuditAction, int]]:
        """What it took of an entity: what happened, and which revision that was."""
        id = getattr(entity, "id", entity)
        return [(event.action, event.revision) for event in self.taken if event.entity_id == id]


def maintenance(backend: Backend, instance: int = 0) -> AuthoringMaintenance:
    """What works across tenants, by one of the instances."""
    store = backend.instances[instance].authoring
    assert store is not None
    return store.maintenance()


def outbox(backend: Backend, instance: int = 0) -> Outbox:
    """The outbox, by one of the instances."""
    return maintenance(backend, instance).outbox


def dispatcher(
    backend: Backend,
    *consumers: Consumer,
    instance: int = 0,
    options: DispatchOptions = PATIENT,
) -> Dispatcher:
    """Of one of the instances."""
    return maintenance(backend, instance).dispatcher(consumers, options=options)


@asynccontextmanager
async def subscribed(backend: Backend, *takers: Taker) -> AsyncIterator[None]:
    """Known to the outbox for the block. What was changed before is none of theirs."""
    await dispatcher(backend).once()
    try:
        for taker in takers:
            await outbox(backend).subscribe(taker.name)
        yield
    finally:
        for taker in takers:
            await outbox(backend).unsubscribe(taker.name)


def waiting(backlog: Backlog, taker: Taker) -> ConsumerBacklog:
    """What waits for one of them."""
    (found,) = [consumer for consumer in backlog.consumers if consumer.name == taker.name]
    return found
