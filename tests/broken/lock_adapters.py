"""The memory adapter of locks, broken in one way at a time."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import ClassVar

import attrs

from adapters.memory.locks import LockPart, MemoryLocks
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.leases import Holding, Lease, Look
from ports.time import Clock


class SoundLocks(MemoryLocks):
    """The locks as they should be; what is broken overrides a part of them."""

    def _held(self, name: str) -> str | None:
        state = self._part.states.get(name)
        return None if state is None else state.holder(self._now()[0])


# Who has it.


class ChecksThenTakes(SoundLocks):
    """Lets others in between looking and taking."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        if self._held(name) is None:
            await asyncio.sleep(0)
            self._part.states.pop(name, None)
        return await super()._take(name, holding, ttl, place)


class ReleasesWhoevers(SoundLocks):
    """Doesn't look whose lock it is that it releases."""

    async def _give_back(self, name: str, holding: str) -> bool:
        held = await super()._give_back(name, holding)
        if not held and (whose := self._held(name)) is not None:
            await super()._give_back(name, whose)
        return held


class RenewsWhoevers(SoundLocks):
    """Doesn't look whose lock it is that it renews."""

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        whose = self._held(name)
        return whose is not None and await super()._renew(name, whose, ttl)


class LocksForAllTenants(SoundLocks):
    """Knows a lock by its name alone."""

    everybodys: ClassVar[dict[Clock, TenantData]] = {}

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, self.everybodys.setdefault(clock, TenantData()), clock)


# Fencing tokens.


class CountsFromOne(SoundLocks):
    """Forgets its count together with the lock."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        if self._held(name) is None:
            self._part.last = 0
        look = await super()._take(name, holding, ttl, place)
        return look if look.fencing_token is None else attrs.evolve(look, fencing_token=1)


class TakesTheTime(SoundLocks):
    """Takes the time for a token, whoever else had it."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        look = await super()._take(name, holding, ttl, place)
        micros = self._now()[1]
        return look if look.fencing_token is None else attrs.evolve(look, fencing_token=micros)


# Leases.


class NeverRenews(SoundLocks):
    """Says that it did."""

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        return self._held(name) == holding


class TellsNobodyAtARenewal(SoundLocks):
    """Renews what there is to renew."""

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        await super()._renew(name, holding, ttl)
        return True


class TellsNobodyAtTheRelease(SoundLocks):
    """Releases what there is to release."""

    async def _give_back(self, name: str, holding: str) -> bool:
        await super()._give_back(name, holding)
        return True


class LivesForEver(SoundLocks):
    """Keeps a lock until it is released."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        return await super()._take(name, holding, ttl * 1_000_000, place)


# The line.


class SilentPart(LockPart):
    """Calls nobody."""

    def call(self, holding: str | None) -> None:
        return


class CallsNobody(SoundLocks):
    """Leaves it to those who wait to look for themselves."""

    @property
    def _part(self) -> LockPart:
        return self._data.part(SilentPart)


class TakesWhateverIsFree(SoundLocks):
    """Doesn't look who waits already."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        state = self._part.states.get(name)
        if state is not None and self._held(name) is None:
            state.line.clear()
            state.heard.clear()
        return await super()._take(name, holding, ttl, place)


class ServesTheLatest(SoundLocks):
    """Puts whoever comes at the head of the line."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        state = self._part.states.get(name)
        if place == 0 and state is not None and state.line:
            place = state.line[0][0] - 1
        return await super()._take(name, holding, ttl, place)


class StaysInLine(SoundLocks):
    """Keeps the place of who gave up."""

    async def _give_back(self, name: str, holding: str) -> bool:
        if self._held(name) != holding:
            return False
        return await super()._give_back(name, holding)


class WaitsForTheDead(SoundLocks):
    """Keeps everybody's turn for ever."""

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        look = await super()._take(name, holding, ttl, place)
        for state in self._part.states.values():
            state.heard = {who: (at, 2**62) for who, (at, _) in state.heard.items()}
        return look


class _ForgetfulHolding(Holding):
    def _left_something(self, error: BaseException) -> bool:
        return False


class ForgetsWhatItAskedFor(SoundLocks):
    """Takes nothing back of what it was about to do when it was cancelled."""

    def hold(
        self, name: str, ttl: timedelta = timedelta(seconds=30), *, wait: timedelta | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        return _ForgetfulHolding(self, name, ttl, wait)


class _DeafHolding(Holding):
    def _lose(self) -> None:
        self._stop()
        self._lease._lost = True


class LetsTheBlockGoOn(SoundLocks):
    """Interrupts nobody who has lost the lock."""

    def hold(
        self, name: str, ttl: timedelta = timedelta(seconds=30), *, wait: timedelta | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        return _DeafHolding(self, name, ttl, wait)
