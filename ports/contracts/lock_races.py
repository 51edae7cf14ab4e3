"""Locks that many want: one at a time, in the order of arrival, whoever gives up in between."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from ports.contracts.cancellation import MOST_STEPS, cancelled_at, stepwise
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.harness import Backend, contract
from ports.contracts.lock_losses import Holder
from ports.contracts.locks import AT_ONCE, SOON, in_line, is_free
from ports.leases import PASSED_OVER
from ports.stores import TenantScope

CONTENDERS = 50
IN_LINE = 12
IN_TURN = 5.0
"""Seconds in which a dozen get their turn if each is woken, and don't if each looks now and then.

(One second each; a thousandth of it is what it takes.)
"""


@contract
async def test_of_many_contenders_one_holds_at_a_time(backend: Backend) -> None:
    """All of 50 get it; what each reads, and writes later, no other writes in between."""
    scopes = backend.rivals()
    inside = count = 0
    tokens: list[int] = []

    async def act(number: int, scope: TenantScope) -> None:
        nonlocal inside, count
        async with scope.locks.hold("a") as lease:
            inside += 1
            assert inside == 1
            tokens.append(lease.fencing_token)
            read = count
            await asyncio.sleep(0)
            await is_free(scope, "b")
            count = read + 1
            inside -= 1

    async with asyncio.timeout(30):
        _, lost = split(await all_at_once(scopes, act, CONTENDERS))
    assert lost == []
    assert count == CONTENDERS
    assert tokens == sorted(set(tokens))


@contract
async def test_of_many_who_do_not_wait_one_gets_it(backend: Backend) -> None:
    """The others are told, and it is given back once all of them were."""
    scopes = backend.rivals()
    told = asyncio.Barrier(CONTENDERS)

    async def act(number: int, scope: TenantScope) -> None:
        try:
            async with scope.locks.hold("a", wait=AT_ONCE):
                await told.wait()
        except Exception:
            await told.wait()
            raise

    async with asyncio.timeout(30):
        won, lost = split(await all_at_once(scopes, act, CONTENDERS))
    assert (len(won), len(lost)) == (1, CONTENDERS - 1)
    assert await is_free(scopes[0])


async def arrive(
    scopes: Sequence[TenantScope], got: list[int], count: int = IN_LINE
) -> list[asyncio.Task[None]]:
    """So many who want a lock that is held, each come after the one before."""

    async def contend(number: int) -> None:
        async with scopes[number % 2].locks.hold("a"):
            got.append(number)

    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(contend(number)))
        await in_line(*scopes)
    return tasks


@contract
async def test_those_who_wait_get_it_in_the_order_of_their_arrival(backend: Backend) -> None:
    """Each as soon as the one before has released it."""
    scopes = backend.rivals()
    got: list[int] = []
    async with asyncio.timeout(30), scopes[0].locks.hold("a"):
        tasks = await arrive(scopes, got)
    async with asyncio.timeout(IN_TURN):
        await asyncio.gather(*tasks)
    assert got == list(range(IN_LINE))


@contract
async def test_who_had_it_does_not_get_it_again_before_others(backend: Backend) -> None:
    """Nor does anyone else who comes later, though the lock is free when they ask."""
    scopes = backend.rivals()
    got: list[int] = []
    async with scopes[0].locks.hold("a"):
        tasks = await arrive(scopes, got, 3)
    async with asyncio.timeout(30), scopes[0].locks.hold("a"):
        assert got == [0, 1, 2]
    await asyncio.gather(*tasks)


@contract
async def test_who_gives_up_does_not_hold_up_the_next(backend: Backend) -> None:
    """Whether it was first in the line or not, cancelled or out of time."""
    scopes = backend.rivals()
    got: list[int] = []
    async with scopes[0].locks.hold("a"):
        tasks = await arrive(scopes, got, 4)
        tasks[0].cancel()
        tasks[2].cancel()
        await asyncio.wait([tasks[0], tasks[2]])
    async with asyncio.timeout(SOON.total_seconds()):
        await asyncio.gather(tasks[1], tasks[3])
    assert got == [1, 3]
    assert await is_free(scopes[1])


@contract
async def test_who_gives_up_when_it_is_its_turn_passes_it_on(backend: Backend) -> None:
    """The one that was woken is cancelled at the same moment; the next is woken in its place."""
    scopes = backend.rivals()
    for turns in range(6):
        got: list[int] = []
        async with scopes[0].locks.hold("a"):
            tasks = await arrive(scopes, got, 2)
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks[0].cancel()
        async with asyncio.timeout(SOON.total_seconds()):
            await asyncio.wait(tasks)
        assert got in ([1], [0, 1])
        assert await is_free(scopes[1])


@contract
async def test_a_holding_cancelled_anywhere_leaves_nothing_locked(backend: Backend) -> None:
    """At every await of a lock that is free: before, while it is taken or given back, after."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()

        async def hold(here: TenantScope = here) -> None:
            async with here.locks.hold("a"):
                await asyncio.sleep(0)

        cancelled = await cancelled_at(step, hold())
        async with there.locks.hold("a", wait=SOON) as lease:
            lease.check()
        if not cancelled:
            return
    raise AssertionError(f"it did not end in {MOST_STEPS} steps")


@contract
async def test_one_who_waits_cancelled_anywhere_leaves_nothing_locked(backend: Backend) -> None:
    """At every await of a lock that another one holds for a moment."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()

        async def hold(here: TenantScope = here) -> None:
            async with here.locks.hold("a"):
                await asyncio.sleep(0)

        async with there.locks.hold("a"):
            contender = asyncio.create_task(stepwise(hold(), step))
            await in_line(here, there)
            if step % 2:  # with one behind it, too
                behind = asyncio.create_task(_passing(there))
                await in_line(here, there)
        async with asyncio.timeout(SOON.total_seconds()):
            await asyncio.wait({contender})
            if step % 2:
                await behind
            async with there.locks.hold("a", wait=SOON) as lease:
                lease.check()
        if not contender.cancelled():
            contender.result()
            return
    raise AssertionError(f"it did not end in {MOST_STEPS} steps")


async def _passing(scope: TenantScope) -> None:
    async with scope.locks.hold("a", wait=timedelta(seconds=30)):
        pass


@contract
async def test_one_who_died_in_the_line_is_passed_over(backend: Backend) -> None:
    """It isn't heard of any more: its turn passes, and the next one's comes."""
    here, there = backend.rivals()
    async with here.locks.hold("a"):
        dead = await there.locks._take("a", "dead", 30_000, 0)
        assert dead.place > 0
        heir = Holder(here.locks)
        await in_line(here, there)
    assert not await is_free(there)
    backend.clock.advance(seconds=PASSED_OVER.total_seconds() + 0.1)
    await heir.holds()
    heir.let_go.set()
    assert await heir.ends() is None


@contract
async def test_one_who_was_thought_dead_comes_back_to_its_place(backend: Backend) -> None:
    """Before those who came later, and have been heard of all the while."""
    here, there = backend.rivals()
    async with here.locks.hold("a"):
        early = await there.locks._take("a", "early", 30_000, 0)
        backend.clock.advance(seconds=PASSED_OVER.total_seconds() + 0.1)
        late = await here.locks._take("a", "late", 30_000, 0)
        assert early.place < late.place
        assert (await here.locks._take("a", "late", 30_000, late.place)).left is not None
        assert (await there.locks._take("a", "early", 30_000, early.place)).left is not None
        assert (await here.locks._take("a", "late", 30_000, late.place)).left is None
    assert (await here.locks._take("a", "late", 30_000, late.place)).fencing_token is None
    token = (await there.locks._take("a", "early", 30_000, early.place)).fencing_token
    assert token is not None
    assert (await here.locks._take("a", "early", 30_000, None)).fencing_token == token
