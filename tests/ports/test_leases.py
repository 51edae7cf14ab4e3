"""Leases when the store doesn't answer as it should, and in real time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from adapters.memory.locks import LockPart, MemoryLocks
from adapters.memory.runtime_data import TenantData
from adapters.system import SystemClock
from domain.identity import tenant_id
from ports.errors import (
    LockLostError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from ports.leases import Lease, Look

TTL = timedelta(milliseconds=300)
PASSED_ON = 3.0
"""Seconds within which who wasn't called has looked for itself."""


class UnreliableLocks(MemoryLocks):
    """A store that fails when it is told to; `renewals` are its answers, one after the other."""

    def __init__(self) -> None:
        super().__init__(tenant_id("acme"), TenantData(), SystemClock())
        self.renewals: Iterator[Callable[[], Awaitable[object]]] = iter(())
        self.taking: RepositoryError | None = None
        self.giving_back: RepositoryError | None = None
        self.renewed = asyncio.Event()

    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        look = await super()._take(name, holding, ttl, place)
        if self.taking is not None:
            raise self.taking
        return look

    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        if (first := next(self.renewals, None)) is not None:
            await first()
        self.renewed.set()
        return await super()._renew(name, holding, ttl)

    async def _give_back(self, name: str, holding: str) -> bool:
        if self.giving_back is not None:
            raise self.giving_back
        return await super()._give_back(name, holding)


async def unavailable() -> None:
    """A store that is away."""
    raise StoreUnavailableError("away")


async def silent() -> None:
    """A store that never answers."""
    await asyncio.Event().wait()


def always(answer: Callable[[], Awaitable[object]]) -> Iterator[Callable[[], Awaitable[object]]]:
    """The same, again and again."""
    while True:
        yield answer


@pytest.mark.parametrize("answer", [unavailable, silent])
def test_a_renewal_that_fails_is_tried_again_in_time(
    answer: Callable[[], Awaitable[object]],
) -> None:
    """Once does no harm."""

    async def body() -> None:
        locks = UnreliableLocks()
        locks.renewals = iter([answer])
        async with locks.hold("a", ttl=TTL) as lease:
            await locks.renewed.wait()
            lease.check()

    asyncio.run(body())


@pytest.mark.parametrize("answer", [unavailable, silent])
def test_a_lease_that_cannot_be_renewed_is_lost_before_the_store_lets_another_in(
    answer: Callable[[], Awaitable[object]],
) -> None:
    """The holder goes by the loop's clock, from before it asked for the lock, and a bit less."""

    async def body() -> None:
        locks = UnreliableLocks()
        locks.renewals = always(answer)

        async def hold() -> None:
            async with locks.hold("a", ttl=TTL) as lease:
                kept.append(lease)
                await asyncio.Event().wait()

        began = time.monotonic()
        with pytest.raises(LockLostError):
            await hold()
        assert kept[0].lost
        assert kept[0]._until < began + TTL.total_seconds()
        assert locks._part.states == {}

    kept: list[Lease] = []
    asyncio.run(body())


def test_a_loop_that_stood_still_knows_that_the_lease_is_over() -> None:
    """At once, without a look at the store; and the block is told, though it awaited nothing."""

    async def body() -> Lease:
        async with UnreliableLocks().hold("a", ttl=timedelta(milliseconds=100)) as lease:
            kept.append(lease)
            lease.check()
            time.sleep(0.11)  # noqa: ASYNC251  # which no block should do
            assert lease.lost
            with pytest.raises(LockLostError):
                lease.check()
        return lease

    kept: list[Lease] = []
    with pytest.raises(LockLostError):
        asyncio.run(body())
    assert kept[0].lost


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), OutcomeUnknownError("lost")])
def test_a_release_that_failed_is_told(error: RepositoryError) -> None:
    """The block was done; to do it again is not what a retry should come to."""

    async def body() -> None:
        locks = UnreliableLocks()
        locks.giving_back = error
        with pytest.raises(OutcomeUnknownError) as caught:
            async with locks.hold("a"):
                pass
        assert not caught.value.retryable

    asyncio.run(body())


def test_an_exception_of_the_block_wins_over_a_release_that_failed() -> None:
    """It says more."""

    async def body() -> None:
        locks = UnreliableLocks()
        locks.giving_back = StoreUnavailableError("away")
        with pytest.raises(KeyError):
            async with locks.hold("a") as lease:
                raise KeyError
        assert not lease.lost

    asyncio.run(body())


def test_an_attempt_whose_answer_was_lost_is_taken_back() -> None:
    """The lock was taken and nobody told."""

    async def body() -> None:
        locks = UnreliableLocks()
        locks.taking = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await locks.hold("a").__aenter__()
        assert locks._part.states == {}

    asyncio.run(body())


def test_one_who_waits_is_told_when_the_store_fails() -> None:
    """And leaves the line, if it can."""

    async def body() -> None:
        locks = UnreliableLocks()
        async with locks.hold("a"):
            waiting = asyncio.create_task(locks.hold("a").__aenter__())
            await asyncio.sleep(0.01)
            assert len(locks._part.states["a"].line) == 1
            locks.taking = StoreTimeoutError("late")
            with pytest.raises(StoreTimeoutError):
                await waiting
            assert locks._part.states["a"].line == []

    asyncio.run(body())


def test_who_is_not_called_looks_for_itself() -> None:
    """A call may be lost: then it takes a second or so, not for ever."""

    class SilentPart(LockPart):
        def call(self, holding: str | None) -> None:
            return

    class SilentLocks(UnreliableLocks):
        @property
        def _part(self) -> LockPart:
            return self._data.part(SilentPart)

    async def body() -> None:
        locks = SilentLocks()

        async def hold() -> None:
            async with locks.hold("a"):
                pass

        async with locks.hold("a"):
            waiting = asyncio.create_task(hold())
            await asyncio.sleep(0.01)
        async with asyncio.timeout(PASSED_ON):
            await waiting

    asyncio.run(body())


def test_nothing_piles_up() -> None:
    """What lapsed or was released is forgotten, at a cost that doesn't grow."""

    async def body() -> None:
        locks = UnreliableLocks()
        part = locks._part
        for number in range(10_000):
            await locks._take(f"{number}", "dead", -1, 0)
            assert len(part.states) < 200
        for number in range(1_000):
            async with locks.hold(f"{number}"):
                pass
        assert len(part.states) < 200
        assert part.calls == {}

    asyncio.run(body())
