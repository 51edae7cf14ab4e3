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
    earlier one is neither kept nor served, nor given to a caller that comes later.
    """

    def __init__(
        self, tenant: TenantId, process: "FlowCache", shared: SharedFlows | None, uses: Uses
    ) -> None:
        self.tenant = tenant
        self.generation = 0
        self._process = process
        self._shared = shared
        self._uses = uses
        self._flights: dict[object, _Flight] = {}
        self._owed: dict[UUID | None, int] = {}
        self._debts = 0

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
        if flight.generation == self.generation:
            until = flight.began + self._process.staleness
            copy = Copy(self, shown, until, flight.generation, counted)
            self._process.keep(lookup.key, copy)
        return shown

    def _may_share(self) -> bool:
        """Whether the shared cache can be trusted, and asked."""
        return not self._owed and self._process.may_share()

    # Changing.

    def note(self, ids: Collection[UUID] | None) -> None:
        """These flows have changed, or may have, or (None) any: from now on, nothing that was read
        before is served in this process.
        """
        self.generation += 1
        self._uses.forget(ids)
        if self._shared is None:
            return
        self._debts += 1
        if ids is None or len(self._owed) + len(ids) > MAX_OWED:
            self._owed = {None: self._debts}
        elif None not in self._owed:
            self._owed.update(dict.fromkeys(ids, self._debts))
        else:
            self._owed[None] = self._debts
        self._process.owes(self)

    def used(self, id: UUID, count: int, at: datetime) -> bool:
        """A flow was used: see `Uses`. Whether something else has to be settled for it."""
        forgotten = self._uses.note(id, count, at)
        self._process.remember(self)
        if forgotten is None:
            return False
        self.note([forgotten])
        return True

    async def settle(self, *, patiently: bool = False) -> None:
        """Drop from the shared cache what was noted.

        Raises:
            RepositoryError: if it didn't answer; then it is still owed.
        """
        owed = dict(self._owed)
        if not owed or self._shared is None:
            return
        ids = None if None in owed else [id for id in owed if id is not None]
        await self._shared.drop(ids, patiently=patiently)
        for item, debt in owed.items():
            # What was noted again meanwhile may have been filled in before that.
            if self._owed.get(item) == debt:
                del self._owed[item]
        if not self._owed:
            self._process.owes_nothing(self)

    def forgive(self) -> None:
        """Owe nothing any more, for what was owed will have ended by itself."""
        self._owed.clear()


def _seen(task: "asyncio.Task[Flows]") -> None:
    """Whoever awaited it was told; if all have left, nobody needs to be."""
    if not task.cancelled():
        task.exception()
