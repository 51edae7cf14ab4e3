"""What contracts about synchronised execution states have in common."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import attrs

from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.identity import TenantId
from ports.contracts.executions import drafted
from ports.contracts.harness import Backend, Group
from ports.keyed import Replaced
from ports.stores import DialogueStore, RuntimeMaintenance, RuntimeStore, TenantScope
from ports.synchronisation import SynchronisedExecutions
from ports.tracking import (
    Due,
    Note,
    Seen,
    SynchronisationBacklog,
    TrackedExecutions,
    Unsynchronised,
)
from ports.write_behind import Synchroniser

Happening: TypeAlias = Callable[[], Awaitable[object]]


class DiedError(Exception):
    """Somebody's process ended."""


async def died() -> None:
    """Happens to who is killed."""
    raise DiedError


def synchronised(scope: TenantScope) -> TenantScope:
    """The scope, where execution states are synchronised."""
    return attrs.evolve(scope, synchronised=True)


def both(backend: Backend) -> tuple[TenantScope, TenantScope]:
    """An unused tenant's scopes on two instances."""
    here, there = backend.rivals()
    return synchronised(here), synchronised(there)


def maintenance(backend: Backend, instance: int = 0) -> RuntimeMaintenance:
    """Of an instance's hot store."""
    store: Any = backend.instances[instance].store(Group.RUNTIME)
    runtime: RuntimeStore = store
    return runtime.maintenance()


async def lose(backend: Backend, tenant: TenantId) -> None:
    """The hot store loses everything that it has of a tenant."""
    await maintenance(backend).erase_tenant(tenant)


async def begun(scope: TenantScope, id: str = "talk", **fields: Any) -> ExecutionState:
    """A state of a conversation that there is."""
    await scope.conversations.create(Conversation.draft(user_id="ada", id=id))
    return await scope.executions.save(drafted(id, **fields))


async def kept(scope: TenantScope, id: str = "talk", **fields: Any) -> ExecutionState:
    """A state that was synchronised."""
    made = await begun(scope, id, **fields)
    await scope.executions.sync_to_context(id)
    return made


def without_revision(state: ExecutionState | None) -> object:
    """All of a state that a restoration keeps."""
    assert state is not None
    return attrs.evolve(state, revision=1)


class Interposed(TrackedExecutions):
    """A hot store in which something happens as somebody uses it: once, just after `seen` answered,
    or just before `revive`, `settle` or `lift` is asked.
    """

    def __init__(self, hot: TrackedExecutions, **happening: Happening) -> None:
        super().__init__(hot._tenant)
        self._hot = hot
        self._happening = happening

    async def _now(self, step: str) -> None:
        happening = self._happening.pop(step, None)
        if happening is not None:
            await happening()

    async def seen(self, id: str) -> Seen:
        seen = await self._hot.seen(id)
        await self._now("seen")
        return seen

    async def begin(
        self, state: ExecutionState, fence: int | None, above: int
    ) -> ExecutionState | None:
        return await self._hot.begin(state, fence, above)

    async def settle(self, id: str, note: Note) -> bool:
        await self._now("settle")
        return await self._hot.settle(id, note)

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        await self._now("revive")
        await self._hot.revive(id, state, life, fence, fenced_until)

    async def lift(self, id: str, life: int, revision: int) -> None:
        await self._now("lift")
        await self._hot.lift(id, life, revision)

    async def _read(self, id: str, touch: bool, fence: int | None) -> ExecutionState | None:
        return await self._hot._read(id, touch, fence)

    async def _replace(
        self, entity: ExecutionState, fence: int | None
    ) -> Replaced[ExecutionState] | None:
        return await self._hot._replace(entity, fence)

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        return await self._hot._insert(state, fence)

    async def _remove(self, id: str, fence: int | None) -> bool:
        return await self._hot._remove(id, fence)


def held_up(backend: Backend, tenant: TenantId, **happening: Happening) -> SynchronisedExecutions:
    """A tenant's states for somebody to whom something happens (see `Interposed`)."""
    opened = backend.instances[0]
    runtime: Any = opened.store(Group.RUNTIME)
    dialogue: Any = opened.store(Group.DIALOGUE)
    hot: TrackedExecutions = runtime.repositories(tenant).tracked_executions
    contexts: DialogueStore = dialogue
    return SynchronisedExecutions(
        tenant, Interposed(hot, **happening), contexts.repositories(tenant)
    )


class OneTenants(Unsynchronised):
    """The queue, as if there were but one tenant."""

    def __init__(self, queue: Unsynchronised, tenant: TenantId) -> None:
        self._queue = queue
        self._tenant = tenant

    async def take(self, limit: int) -> Sequence[Due]:
        while taken := await self._queue.take(limit):
            if found := [due for due in taken if due[0] == self._tenant]:
                return found
        return []

    async def put(self, due: Iterable[Due], *, after: timedelta = timedelta()) -> None:
        await self._queue.put(due, after=after)

    async def sweep(self, every: timedelta) -> int | None:
        return await self._queue.sweep(every)

    async def backlog(self) -> SynchronisationBacklog:
        return await self._queue.backlog()


def worker(backend: Backend, tenant: TenantId, **happening: Happening) -> Synchroniser:
    """Who writes a tenant's states into their contexts, though something happens to it."""
    queue = OneTenants(maintenance(backend).unsynchronised, tenant)
    states = held_up(backend, tenant, **happening)
    return Synchroniser(queue, lambda _: states)


def other_worker(backend: Backend, tenant: TenantId) -> Synchroniser:
    """Another one, on another instance."""
    queue = OneTenants(maintenance(backend, 1).unsynchronised, tenant)
    scope = synchronised(backend.instances[1].scope(tenant))
    states: Any = scope.executions
    return Synchroniser(queue, lambda _: states)
