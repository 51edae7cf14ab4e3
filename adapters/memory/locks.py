"""Locks in this process's memory."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from adapters.memory.runtime_data import Part, TenantData
from domain.durations import MILLISECOND
from domain.identity import TenantId
from ports.gate import OPEN, Admission, Gate
from ports.leases import PASSED_OVER, REMEMBERED, Calls, Look
from ports.locks import Locks
from ports.time import Clock

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SWEPT_ABOVE = 64


@attrs.define
class LockState:
    """Who holds a lock, and who waits for it. Times are in milliseconds of the store's clock."""

    holding: str | None = None
    token: int = 0
    ends: int = 0
    line: list[tuple[int, str]] = attrs.field(factory=list)
    """Places and holdings, the first first."""
    heard: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    """Of each in the line: its place, and until when it keeps its turn."""

    def holder(self, now: int) -> str | None:
        """Who holds it now."""
        return self.holding if now <= self.ends else None

    def first(self, now: int, asking: str = "") -> str | None:
        """Who is first in the line: who wasn't heard of makes way, unless it is the one asking."""
        while self.line:
            holding = self.line[0][1]
            if holding == asking or now < self.heard[holding][1]:
                return holding
            self.leave(holding)
        return None

    def join(self, holding: str, place: int, until: int) -> None:
        """Stand at a place of the line, from now on or still."""
        if holding not in self.heard or self.heard[holding][0] != place:
            self.leave(holding)
            insort(self.line, (place, holding))
        self.heard[holding] = (place, until)

    def leave(self, holding: str) -> None:
        """Stand there no more."""
        if holding in self.heard:
            place, _ = self.heard.pop(holding)
            del self.line[bisect_left(self.line, (place, holding))]


class LockPart(Part):
    """A tenant's locks: those that are held or waited for, and those that lapsed until a sweep."""

    def __init__(self) -> None:
        self.states: dict[str, LockState] = {}
        self.calls: dict[str, asyncio.Event] = {}
        self.last = 0
        self.remembered = 0
        self._swept = 0

    def live(self, now: datetime) -> int:
        """Whether there is a lock, or the last token of one."""
        return int((now - _EPOCH) // MILLISECOND <= self.remembered)

    def clear(self) -> None:
        """Release everything. The last token stays: later ones must be greater."""
        self.states.clear()
        self.remembered = 0

    def state(self, name: str, now: int) -> LockState:
        """A lock's state. What lapsed is swept when there is twice as much as after the last time,
        so that it costs nothing in the long run.
        """
        if len(self.states) > 2 * self._swept + _SWEPT_ABOVE:
            self.states = {
                name: state
                for name, state in self.states.items()
                if state.holder(now) or state.first(now)
            }
            self._swept = len(self.states)
        return self.states.setdefault(name, LockState())

    def token(self, micros: int) -> int:
        """A fencing token: greater than every earlier one, of whichever of the tenant's locks."""
        self.last = max(self.last + 1, micros)
        return self.last

    def remember(self, until: int) -> None:
        """A lease lasts until then."""
        self.remembered = max(self.remembered, until + REMEMBERED // MILLISECOND)

    def call(self, holding: str | None) -> None:
        """Wake one that waits."""
        called = None if holding is None else self.calls.get(holding)
        if called is not None:
            called.set()


@attrs.frozen
class _Calls:
    called: asyncio.Event

    async def wait(self, seconds: float) -> bool:
        """As soon as it is called."""
        try:
            async with asyncio.timeout(seconds):
                await self.called.wait()
        except TimeoutError:
            return False
        self.called.clear()
        return True


class MemoryLocks(Locks):
    """No step lets others in between."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock, gate: Gate = OPEN) -> None:
        self._admission = Admission(tenant, gate)
        self._tenant = tenant
        self._data = data
        self._clock = clock

    @property
    def _part(self) -> LockPart:
        return self._data.part(LockPart)

    def _now(self) -> tuple[int, int]:
        since = self._clock.now() - _EPOCH
        return since // MILLISECOND, since // _MICROSECOND

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        part = self._part
        now, micros = self._now()
        state = part.state(name, now)
        holder = state.holder(now)
        if holder == holding:
            return Look(fencing_token=state.token)
        first = state.first(now, asking=holding)
        before = first is not None and first != holding
        if place and before:  # who comes back to its place is before those who came later
            before = state.line[0][0] < place
        if holder is None and not before:
            state.leave(holding)
            state.holding, state.token, state.ends = holding, part.token(micros), now + ttl
            part.remember(state.ends)
            return Look(fencing_token=state.token)
        left = None if before else (state.ends - now) / 1_000
        if place is None:
            return Look(left=left)
        last = state.line[-1][0] if state.line else 0
        stands = place or max(last + 1, micros)
        state.join(holding, stands, now + PASSED_OVER // MILLISECOND)
        if holder is None:
            part.call(first)
        return Look(place=stands, left=left)

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        now, _ = self._now()
        state = self._part.states.get(name)
        if state is None or state.holder(now) != holding:
            return False
        state.ends = now + ttl
        self._part.remember(state.ends)
        return True

    async def _give_back(self, name: str, holding: str) -> bool:
        part = self._part
        now, _ = self._now()
        state = part.states.get(name)
        if state is None:
            return False
        held = state.holder(now) == holding
        if held:
            state.holding, state.ends = None, 0
        state.leave(holding)
        if state.holder(now) is None:
            first = state.first(now)
            if first is None:
                del part.states[name]
            part.call(first)
        return held

    @asynccontextmanager
    async def _listening(self, holding: str) -> AsyncIterator[Calls]:
        calls = self._part.calls
        calls[holding] = asyncio.Event()
        try:
            yield _Calls(calls[holding])
        finally:
            del calls[holding]

    def _calls(self, name: str, holding: str) -> AbstractAsyncContextManager[Calls]:
        return self._listening(holding)
