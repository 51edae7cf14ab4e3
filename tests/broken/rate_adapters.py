"""The memory adapter of rate limits, broken in one way at a time."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self

import attrs

from adapters.memory import MemoryRuntimeStore
from adapters.memory.rate_limits import Bucket, Counts, Windows
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from domain.rates import (
    CalendarWindow,
    FixedWindow,
    Gcra,
    RateRule,
    SlidingWindow,
    WindowRule,
    fixed_window,
)
from ports.rate_limits import Answer, Demand, Purpose
from ports.time import Clock
from tests.broken.rate_sound import MICROSECOND, CountsOtherwise, Sound, counting

DAY = timedelta(days=1)

# Who is admitted.


class ChecksThenAdds(Sound):
    """Looks whether there is room, and lets others in before it counts."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        if purpose is not Purpose.ACQUIRE:
            return await super()._answers(purpose, demands)
        seen = await super()._answers(Purpose.PEEK, demands)
        await asyncio.sleep(0)
        if any(wait for _, _, wait in seen):
            return seen
        await super()._answers(Purpose.COUNT, demands)
        return [
            (count + permits, reset, 0)
            for (count, reset, _), (_, _, permits) in zip(seen, demands, strict=True)
        ]


class Milliseconds(Windows):
    """A set of milliseconds: what comes in the same one is in it already."""

    last = -1

    def add(self, now: int, permits: int) -> None:
        if now // 1_000 != self.last:
            self.last = now // 1_000
            super().add(now, permits)


class CountsMilliseconds(CountsOtherwise):
    """Has one member for all calls of a millisecond."""

    kind = counting(windows=Milliseconds)


class Unbounded(Windows):
    """Admits whatever it costs while there is any room."""

    def wait(self, now: int, permits: int) -> int:
        wait = super().wait(now, permits)
        return 0 if wait and super().wait(now, 1) == 0 and permits <= self._rule.limit else wait


class LooksForAnyRoom(CountsOtherwise):
    """Doesn't ask whether the cost fits into what is left."""

    kind = counting(windows=Unbounded)


class GoesByItsOwnClock(MemoryRuntimeStore):
    """Asks its process for the time."""

    def sibling(self, *, clock: Clock | None = None) -> Self:
        other = super().sibling()
        other._clock = self._clock if clock is None else clock
        return other


class SpendsWhatItRefuses(Sound):
    """Counts before it looks, and keeps what it refused."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        found = await super()._answers(purpose, demands)
        if purpose is Purpose.ACQUIRE and any(wait > 0 for _, _, wait in found):
            await super()._answers(Purpose.COUNT, demands)
        return found


class PutsItOff(Sound):
    """Lets each call begin the window anew, as an expiry that is always set again does."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        if purpose is Purpose.ACQUIRE:
            for key, rule, _ in demands:
                count = self._counts.get((key, rule.name), rule, self.now)
                if isinstance(count, Windows) and isinstance(rule, WindowRule):
                    used = count.used(self.now)
                    count._portions = [(self.now + rule.kept, used)] if used else []
        return await super()._answers(purpose, demands)


class TwoBuckets(Windows):
    """Weighs the window before by how much of it is still within a sliding one."""

    def _counting(self, now: int) -> Any:
        if not isinstance(self._rule, SlidingWindow):
            return super()._counting(now)
        window = self._rule.part * 50
        begin = now - now % window
        return [
            (end, count if end > begin + 2 * window else count * (begin + window - now) // window)
            for end, count in self._portions
            if end > now
        ]

    def _end(self, now: int) -> int:
        if not isinstance(self._rule, SlidingWindow):
            return super()._end(now)
        window = self._rule.part * 50
        return now - now % window + 2 * window


class ApproximatesByTwoBuckets(CountsOtherwise):
    """Takes what came in the window before for evenly spread."""

    kind = counting(windows=TwoBuckets)


class EndsEarly(Windows):
    """Lets a part of a sliding window go when its first permit may, not its last."""

    def _end(self, now: int) -> int:
        part = self._rule.part if isinstance(self._rule, SlidingWindow) else 0
        return super()._end(now) - part


class RoundsWindowsDown(CountsOtherwise):
    """A sliding window is shorter by one part."""

    kind = counting(windows=EndsEarly)


class FixedForSliding(Windows):
    """Takes a sliding window for a fixed one."""

    def _end(self, now: int) -> int:
        if isinstance(self._rule, SlidingWindow):
            return now - now % (self._rule.part * 50) + self._rule.part * 50
        return super()._end(now)


class DoesNotSlide(CountsOtherwise):
    """Admits twice the limit around a boundary."""

    kind = counting(windows=FixedForSliding)


class Hasty(Bucket):
    """Rounds the time of a permit down."""

    def __init__(self, rule: Gcra) -> None:
        interval = rule.per // MICROSECOND // rule.rate
        super().__init__(Gcra(rate=1, per=rule.per, burst=rule.burst))
        vars(self._rule)["interval"] = interval


class RoundsTheRateUp(CountsOtherwise):
    """Gives permits back a fraction of a microsecond early, each."""

    kind = counting(bucket=Hasty)


# Several at once.


class TakesWhatItCan(Sound):
    """Asks one limit after the other, and keeps what it got."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        return [(await super(TakesWhatItCan, self)._answers(purpose, [d]))[0] for d in demands]


class TakesOneAfterAnother(Sound):
    """Looks at all, then takes them one by one with others in between."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        seen = await super()._answers(Purpose.PEEK, demands)
        if purpose is not Purpose.ACQUIRE or len(demands) == 1 or any(w for _, _, w in seen):
            return await super()._answers(purpose, demands)
        taken: list[Answer] = []
        for demand in demands:
            taken += await super()._answers(purpose, [demand])
            await asyncio.sleep(0)
        return taken


# Whose it is.


class JoinsKeys(Sound):
    """Has one name for tenant, key and rule, with colons between, among all tenants."""

    everyone: ClassVar[Counts] = Counts()

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._tenant = tenant
        self._counts = self.everyone

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        joined = [(f"{self._tenant}:{key}", rule, permits) for key, rule, permits in demands]
        return await super()._answers(purpose, joined)


class FoldsKeys(Sound):
    """Takes keys for the same that look alike."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        folded = [(key.casefold().strip(), rule, permits) for key, rule, permits in demands]
        return await super()._answers(purpose, folded)


class ForgetsTheRule(Sound):
    """Has one count a key and kind of rule."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        for _, rule, _ in demands:
            vars(rule)["name"] = rule.kind
        return await super()._answers(purpose, demands)


# What is said.


class TellsTheWindow(Sound):
    """Says that it resets after a whole window, whenever that began."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        found = await super()._answers(purpose, demands)
        return [
            (count, rule.window // MICROSECOND, wait)
            if reset and isinstance(rule, WindowRule)
            else (count, reset, wait)
            for (_, rule, _), (count, reset, wait) in zip(demands, found, strict=True)
        ]


class SendsBackForOne(Sound):
    """Says when one permit can be had, whatever was asked for."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        found = await super()._answers(purpose, demands)
        if purpose is Purpose.COUNT:
            return found
        ones = await super()._answers(Purpose.PEEK, [(key, rule, 1) for key, rule, _ in demands])
        return [
            (count, reset, max(one, 1) if wait > 0 else wait)
            for (count, reset, wait), (_, _, one) in zip(found, ones, strict=True)
        ]


class StopsAtTheLimit(Sound):
    """Counts what happened only as far as it was allowed."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        if purpose is Purpose.COUNT:
            ((key, rule, permits),) = demands
            used = self._counts.get((key, rule.name), rule, self.now).used(self.now)
            if used + permits > rule.limit:
                return await super()._answers(Purpose.PEEK, demands)
        return await super()._answers(purpose, demands)


class LooksByTaking(Sound):
    """Spends a permit to see whether there is one."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        asked = Purpose.ACQUIRE if purpose is Purpose.PEEK else purpose
        return await super()._answers(asked, demands)


class NeverSaysNever(Sound):
    """Sends those away for a while who can never be admitted."""

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        found = await super()._answers(purpose, demands)
        return [(count, reset, abs(wait)) for count, reset, wait in found]


# Time.


class Hoarding(Counts):
    """Lets nothing go."""

    def sweep(self, now: int, at_most: int) -> None:
        return

    def live(self, now: Any) -> int:
        return len(self._counts)


class KeepsEverything(CountsOtherwise):
    """Sets no expiry."""

    kind = Hoarding


class ByNumber(Windows):
    """Knows the window that its clock shows, and no other."""

    def _counting(self, now: int) -> Any:
        if not isinstance(self._rule, FixedWindow):
            return super()._counting(now)
        return [portion for portion in self._portions if portion[0] == self._end(now)]


class NumbersItsWindows(CountsOtherwise):
    """Counts by the number of the window: begins anew when the clock is put back into another."""

    kind = counting(windows=ByNumber)


class OtherCalendar(Sound):
    """Has another idea of calendar windows."""

    def instead(self, rule: CalendarWindow) -> RateRule:
        """The rule that it goes by."""
        raise TypeError

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        replaced = [
            (f"{key} {rule.name}", self.instead(rule), permits)
            if isinstance(rule, CalendarWindow)
            else (key, rule, permits)
            for key, rule, permits in demands
        ]
        return await super()._answers(purpose, replaced)


class HasNoZones(OtherCalendar):
    """Goes by UTC everywhere."""

    def instead(self, rule: CalendarWindow) -> RateRule:
        return attrs.evolve(rule, zone="UTC")


class HasEqualDays(OtherCalendar):
    """Takes a day for 24 hours, a week for seven of them and a month for thirty."""

    def instead(self, rule: CalendarWindow) -> RateRule:
        days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}[rule.unit]
        return fixed_window(rule.limit, days * DAY)
