"""Leases that end before their block: the lock goes on to the next, and the holder is told."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from domain.executions import ExecutionState
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.locks import AT_ONCE, SOON, in_line, is_free
from ports.errors import LockLostError
from ports.leases import Lease, Look
from ports.locks import SHORTEST_TTL, Locks

SHORT = timedelta(milliseconds=240)
"""A lease that is renewed, and so found lost, soon: every 80 ms of real time."""

NEVER = 3_600.0


class Holder:
    """A task that holds a lock until it is let go, or hears that it has lost it."""

    def __init__(self, locks: Locks, ttl: timedelta = SHORT) -> None:
        self._locks = locks
        self._ttl = ttl
        self._taken = asyncio.Event()
        self.let_go = asyncio.Event()
        self.interrupted = False
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._locks.hold("a", ttl=self._ttl) as self.lease:
            self._taken.set()
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.interrupted = True
                raise

    async def holds(self) -> Lease:
        """Once it has it."""
        async with asyncio.timeout(SOON.total_seconds()):
            await self._taken.wait()
        return self.lease

    async def ends(self) -> BaseException | None:
        """What came of it, soon."""
        async with asyncio.timeout(SOON.total_seconds()):
            await asyncio.wait({self.task})
        return self.task.exception()


async def lapsed(backend: Backend, holder: Holder, ttl: timedelta = SHORT) -> None:
    """Its lease has ended, as the store has it."""
    await holder.holds()
    backend.clock.advance(seconds=ttl.total_seconds() + 1)


@contract
async def test_a_lease_that_lapsed_goes_to_the_next_and_interrupts_its_holder(
    backend: Backend,
) -> None:
    """By a `LockLostError` that leaves its block; the next has a greater token."""
    here, there = backend.rivals()
    holder = Holder(here.locks)
    await lapsed(backend, holder)
    async with there.locks.hold("a", wait=SOON) as lease:
        assert lease.fencing_token > holder.lease.fencing_token
        assert isinstance(await holder.ends(), LockLostError)
        assert holder.interrupted
        assert holder.lease.lost
        assert holder.task.cancelling() == 0
        with pytest.raises(LockLostError):
            holder.lease.check()
        lease.check()
        assert not await is_free(here)


@contract
async def test_who_waits_takes_over_when_the_lease_lapses(backend: Backend) -> None:
    """Nobody tells it then; the first in the line gets it, and the next when that is done."""
    here, there = backend.rivals()
    holder = Holder(here.locks)
    await holder.holds()
    heirs = []
    for scope in (there, here):
        heirs.append(Holder(scope.locks))
        await in_line(here, there)
    backend.clock.advance(seconds=SHORT.total_seconds() + 0.1)
    assert isinstance(await holder.ends(), LockLostError)
    for heir in heirs:
        await heir.holds()
        heir.let_go.set()
    assert [await heir.ends() for heir in heirs] == [None, None]


@contract
async def test_who_waits_takes_over_even_if_the_line_was_forgotten(backend: Backend) -> None:
    """So much time passes at once that the store thinks nobody waits any more; in any order."""
    here, there = backend.rivals()
    holder = Holder(here.locks)
    await holder.holds()
    heirs = [Holder(there.locks), Holder(here.locks)]
    await in_line(here, there)
    for heir in heirs:
        heir.let_go.set()
    await lapsed(backend, holder, timedelta(days=2))
    assert [await heir.ends() for heir in heirs] == [None, None]
    assert isinstance(await holder.ends(), LockLostError)


@contract
async def test_a_block_that_ends_by_itself_is_told_too(backend: Backend) -> None:
    """That the lock wasn't its own any more, though nobody had taken it, or had and was done."""
    here, there = backend.rivals()

    async def block(taken: bool) -> None:
        async with here.locks.hold("a") as lease:
            leases.append(lease)
            backend.clock.advance(seconds=31)
            if taken:
                assert await is_free(there)

    leases: list[Lease] = []
    for taken in (False, True):
        assert isinstance(await raised_by(block(taken)), LockLostError)
    assert [lease.lost for lease in leases] == [True, True]


@contract
async def test_a_late_release_does_not_release_what_is_anothers(backend: Backend) -> None:
    """Nor does it renew it."""
    here, there = backend.rivals()
    late = Holder(here.locks, timedelta(seconds=30))
    await lapsed(backend, late, timedelta(seconds=30))
    async with there.locks.hold("a", wait=AT_ONCE) as lease:
        late.let_go.set()
        assert isinstance(await late.ends(), LockLostError)
        assert not await is_free(here)
        lease.check()
    assert await is_free(here)


@contract
async def test_an_exception_of_the_block_wins_over_the_loss(backend: Backend) -> None:
    """The lease tells; be it lost while the block ran, or found lost at its end."""
    here, there = backend.rivals()
    mine = KeyError("mine")
    leases: list[Lease] = []

    async def fails() -> None:
        async with here.locks.hold("a") as lease:
            leases.append(lease)
            backend.clock.advance(seconds=31)
            raise mine

    async def is_interrupted_and_fails() -> None:
        async with there.locks.hold("a", ttl=SHORT) as lease:
            leases.append(lease)
            backend.clock.advance(seconds=1)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(SOON.total_seconds())
            raise mine

    for block in (fails, is_interrupted_and_fails):
        assert await raised_by(block()) is mine
    assert [lease.lost for lease in leases] == [True, True]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@contract
async def test_a_block_that_swallows_the_interruption_is_told_at_its_end(backend: Backend) -> None:
    """It can't go on as if it had been done under the lock."""
    here, _ = backend.rivals()

    async def block() -> None:
        async with here.locks.hold("a", ttl=SHORT) as lease:
            backend.clock.advance(seconds=1)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(SOON.total_seconds())
            assert lease.lost

    assert isinstance(await raised_by(block()), LockLostError)
    await asyncio.sleep(0)  # nothing of the interruption is left


@contract(still=True)
async def test_a_cancellation_from_elsewhere_stays_one(backend: Backend) -> None:
    """Also if the lease is lost in the same moment, or before the block was done with it."""
    here, there = backend.rivals()
    holder = Holder(here.locks)
    await holder.holds()
    holder.task.cancel()
    await asyncio.wait({holder.task})
    assert holder.task.cancelled()
    assert await is_free(there)

    async def cleans_up() -> None:
        async with here.locks.hold("a", ttl=SHORT):
            backend.clock.advance(seconds=1)
            try:
                await asyncio.sleep(NEVER)
            finally:
                cleaning.set()
                await asyncio.sleep(NEVER)

    cleaning = asyncio.Event()
    task = asyncio.create_task(cleans_up())
    async with asyncio.timeout(SOON.total_seconds()):
        await cleaning.wait()
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


@contract
async def test_holdings_timeouts_and_groups_nest(backend: Backend) -> None:
    """Each tells its own: the timeout within or around, the lease within, around or in a group."""
    here, there = backend.rivals()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02), here.locks.hold("a"):
            await asyncio.sleep(NEVER)
    async with here.locks.hold("a") as lease:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.sleep(NEVER)
        lease.check()
    assert await is_free(there)
    for short, other in (("inner", "outer"), ("outer", "inner")):
        ttls = {short: SHORT, other: timedelta(seconds=30)}
        async with asyncio.timeout(SOON.total_seconds()), here.locks.hold("c"):
            try:
                async with here.locks.hold("outer", ttl=ttls["outer"]) as outer:
                    try:
                        async with here.locks.hold("inner", ttl=ttls["inner"]) as inner:
                            backend.clock.advance(seconds=1)
                            await asyncio.sleep(NEVER)
                    except LockLostError:
                        assert short == "inner"
                assert short == "inner"
            except LockLostError:
                assert short == "outer"
        assert (outer.lost, inner.lost) == (short == "outer", short == "inner")
        assert await is_free(there, "inner")
        assert await is_free(there, "outer")

    async def block() -> None:
        async with here.locks.hold("a", ttl=SHORT), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(SOON.total_seconds()))
            backend.clock.advance(seconds=1)

    assert isinstance(await raised_by(block()), LockLostError)


@contract
async def test_a_lease_is_renewed_for_as_long_as_its_block_runs(backend: Backend) -> None:
    """Time passes in the store, more than twice the lease's; nobody else gets it meanwhile."""
    here, there = backend.rivals()
    async with here.locks.hold("a", ttl=timedelta(milliseconds=600)) as lease:
        for _ in range(5):
            backend.clock.advance(milliseconds=280)
            assert not await is_free(there)
            await asyncio.sleep(0.3)  # in real time, as the renewals are
        lease.check()
    assert await is_free(there)


@contract
async def test_what_a_former_holder_writes_late_is_refused(backend: Backend) -> None:
    """It doesn't know yet that it has lost the lock: its fencing token tells the store."""
    here, there = backend.rivals()
    former = Holder(here.locks, timedelta(seconds=30))
    token = (await former.holds()).fencing_token
    draft = ExecutionState.draft("c1", current_state="first")
    await here.executions.save(draft, fencing_token=token)
    await lapsed(backend, former, timedelta(seconds=30))
    async with there.locks.hold("a", wait=AT_ONCE) as lease:
        await there.executions.enter_state("c1", "second", fencing_token=lease.fencing_token)
        assert not former.lease.lost
        late = here.executions.enter_state("c1", "late", fencing_token=token)
        assert isinstance(await raised_by(late), LockLostError)
        await there.executions.enter_state("c1", "third", fencing_token=lease.fencing_token)
    assert (await here.executions.require("c1")).current_state == "third"
    former.let_go.set()
    assert isinstance(await former.ends(), LockLostError)


@contract
async def test_a_block_is_not_begun_with_a_lease_that_has_ended(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So long was the store's word on its way; nothing is done, and nothing stays locked."""
    here, there = backend.rivals()
    locks, begun = here.locks, []
    take = locks._take

    async def slow(*arguments: Any) -> Look:
        look = await take(*arguments)
        await asyncio.sleep(SHORTEST_TTL.total_seconds())
        return look

    async def block() -> None:
        async with locks.hold("a", ttl=SHORTEST_TTL):
            begun.append(1)

    monkeypatch.setattr(locks, "_take", slow)
    assert isinstance(await raised_by(block()), LockLostError)
    assert begun == []
    assert await is_free(there)


@contract
async def test_a_dead_holders_lock_is_taken_over(backend: Backend) -> None:
    """Its instance is closed under it: the lock is the next one's when the lease ends."""
    tenant = backend.tenant()
    here = backend.scope(tenant)
    async with AsyncExitStack() as closing:
        third = (await closing.enter_async_context(backend.opened()))[0].scope(tenant)
        dead = Holder(third.locks)
        token = (await dead.holds()).fencing_token
        assert not await is_free(here)
    heir = Holder(here.locks)
    await lapsed(backend, dead)
    assert (await heir.holds()).fencing_token > token
    assert isinstance(await dead.ends(), LockLostError)
    heir.let_go.set()
    assert await heir.ends() is None


@contract
async def test_erasing_a_tenant_takes_its_locks_away(backend: Backend) -> None:
    """Holders find them lost, others' stay; who waits gets them."""
    here, there = backend.rivals()
    other = backend.fresh()
    runtime = backend.instances[1].runtime
    assert runtime is not None
    holder, unharmed = Holder(here.locks), Holder(other.locks)
    await holder.holds()
    await unharmed.holds()
    heir = Holder(there.locks)
    await in_line(here, there)
    assert await runtime.maintenance().erase_tenant(here.tenant) == 0
    assert isinstance(await holder.ends(), LockLostError)
    await heir.holds()
    heir.let_go.set()
    assert await heir.ends() is None
    assert not await is_free(other)
    unharmed.let_go.set()
    assert await unharmed.ends() is None
