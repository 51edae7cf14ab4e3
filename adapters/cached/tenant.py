"""What a process keeps of one tenant's flows."""

import asyncio
import math
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import attrs

from adapters.cached.codec import Flows
from adapters.cached.shared import Load, Lookup, SharedFlows
from adapters.cached.uses import Uses
from domain.identity import TenantId

if TYPE_CHECKING:
    from adapters.cached.flow_cache import FlowCache

MAX_OWED: Final = 100
"""Of more flows than so many, all of the tenant's are dropped in their place."""


@attrs.define(eq=False)
class Copy:
    """What was read, and up to when it may be served."""

    of: "TenantFlows"
    flows: Flows
    until: float
    generation: int
    uses: int


@attrs.frozen
class _Debt:
    """What has to be dropped; again and again, until nobody can be filling it in any more."""

    number: int
    until: float


@attrs.define(eq=False)
class _Flight:
    """A read under way, and how many await it."""

    began: float
    generation: int
    uses: int
    callers: int = 0
    task: "asyncio.Task[Flows]" = attrs.field(init=False)


class TenantFlows:
    """One tenant's: everybody in the process who reads or changes them has the same.

    `generation` is raised by every change that this process made or heard of. What was read in an
    earlier one is neither kept nor served, nor given to a caller that comes later. `changes` counts
    those that were more than a use.

    While it is in doubt whether a change is still to come, nothing is kept, or read that others
    share: what is read now may not stand any more when it does.
    """

    def __init__(
        self, tenant: TenantId, process: "FlowCache", shared: SharedFlows | None, uses: Uses
    ) -> None:
        self.tenant = tenant
        self.generation = 0
        self.changes = 0
        self._process = process
        self._shared = shared
        self._uses = uses
        self._flights: dict[object, _Flight] = {}
        self._owed: dict[UUID | None, _Debt] = {}
        self._debts = 0
        self._doubted_until = -math.inf

    # Reading.

    def at_hand(self, key: object) -> Flows | None:
        """What this process has, if it may be served still. No waiting, no copy."""
        process = self._process
        copy = process.copies.get((self.tenant, key))
        if copy is None or copy.generation != self.generation or copy.until <= process.now():
            return None
        if copy.uses != self._uses.number:
            # The limit is the key of a list, and of nothing else.
            shown = self._uses.shown(copy.flows, key if type(key) is int else math.inf)
            if shown is None:
                return None
            copy.flows, copy.uses = shown, self._uses.number
        process.hits += 1
        return copy.flows

    async def read(self, lookup: Lookup, load: Load) -> Flows:
        """From the shared cache or else by `load`, one for all who ask at the same time."""
        flight = self._flights.get(lookup.key)
        if flight is None or not self._serves(flight, lookup):
            flight = _Flight(self._process.now(), self.generation, self._uses.number)
            flight.task = asyncio.create_task(self._flown(flight, lookup, load))
            flight.task.add_done_callback(_seen)
            self._flights[lookup.key] = flight
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.callers -= 1
            if not flight.callers:
                flight.task.cancel()  # nothing happens to one that is done
                if self._flights.get(lookup.key) is flight:
                    del self._flights[lookup.key]

    def _serves(self, flight: _Flight, lookup: Lookup) -> bool:
        """Whether it shows all that a caller has to see who comes now."""
        return (
            flight.generation == self.generation
            and (lookup.limit is None or flight.uses == self._uses.number)
            and self._process.now() < flight.began + self._process.staleness
        )

    async def _flown(self, flight: _Flight, lookup: Lookup, load: Load) -> Flows:
        limit = math.inf if lookup.limit is None else lookup.limit
        counted = flight.uses
        shown: Flows | None = None
        if self._shared is not None and self._may_share():
            shown = self._uses.shown(await self._shared.read(lookup, load), limit)
            counted = self._uses.number
        if shown is None:
            counted = self._uses.number
            flows = await load()
            # A list from the origin lacks nobody, but who was used since; its order is right.
            shown = self._uses.shown(flows, limit) or flows
        if flight.generation == self.generation and flight.began >= self._doubted_until:
            until = flight.began + self._process.staleness
            copy = Copy(self, shown, until, flight.generation, counted)
            self._process.keep(lookup.key, copy)
        return shown

    def _may_share(self) -> bool:
        """Whether the shared cache can be trusted, and asked."""
        if self._owed or self._process.now() < self._doubted_until:
            return False
        return self._process.may_share()

    # Changing.

    def note(self, ids: Collection[UUID] | None, *, doubted: float = -math.inf) -> None:
        """These flows have changed, or (None) any: from now on, nothing that was read before is
        served in this process. Or they may have, or may yet, up to `doubted`.
        """
        self.changes += 1
        if doubted > self._doubted_until:
            self._doubted_until = doubted
            self._process.remember(self)
        self._drop(ids, doubted)

    def _drop(self, ids: Collection[UUID] | None, doubted: float = -math.inf) -> None:
        self.generation += 1
        self._uses.forget(ids)
        if self._shared is None:
            return
        self._debts += 1
        if None in self._owed or ids is None or len(self._owed) + len(ids) > MAX_OWED:
            until = max((debt.until for debt in self._owed.values()), default=doubted)
            self._owed = {None: _Debt(self._debts, max(until, doubted))}
        else:
            for id in ids:
                known = self._owed.get(id)
                until = doubted if known is None else max(known.until, doubted)
                self._owed[id] = _Debt(self._debts, until)
        self._process.owes(self)

    def used(self, id: UUID, count: int, at: datetime, since: int) -> bool:
        """A flow was used, when there had been so many `changes`: see `Uses`. Whether something has
        to be settled for it.
        """
        if self.changes != since:
            # It may be another flow of that id, which nobody used.
            self._drop([id])
            return True
        forgotten = self._uses.note(id, count, at)
        self._process.remember(self)
        if forgotten is None:
            return False
        self._drop([forgotten])
        return True

    async def settle(self, *, patiently: bool = False) -> bool:
        """Drop from the shared cache what was noted; whether any of it is owed no more.

        Raises:
            RepositoryError: if it didn't answer; then it is still owed.
        """
        owed = dict(self._owed)
        if not owed or self._shared is None:
            return False
        now, debts = self._process.now(), len(owed)
        ids = None if None in owed else [id for id in owed if id is not None]
        await self._shared.drop(ids, patiently=patiently)
        for item, debt in owed.items():
            # What was noted again meanwhile may have been filled in before that.
            if debt.until <= now and self._owed.get(item) == debt:
                del self._owed[item]
                debts -= 1
        if not self._owed:
            self._process.owes_nothing(self)
        return debts < len(owed)

    def forgive(self) -> None:
        """Owe nothing any more, for what was owed will have ended by itself."""
        self._owed.clear()


def _seen(task: "asyncio.Task[Flows]") -> None:
    """Whoever awaited it was told; if all have left, nobody needs to be."""
    if not task.cancelled():
        task.exception()
