"""What a gate keeps in mind: when it asks, what it does when nobody answers, and what it costs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, TypeAlias
from unittest.mock import patch

import pytest

from domain.erasure import user_hash
from domain.identity import TenantId, UserId
from ports.errors import ErasedError, StoreUnavailableError
from ports.view import BITS, Changes, Fingerprints, Source, ViewGate

T, U = TenantId("t"), TenantId("u")
ADA, BOB = UserId("ada"), UserId("bob")
LONG = timedelta(hours=1)
Looking: TypeAlias = Callable[[type[ViewGate]], None]
"""Fails a kind of gate that doesn't do what is looked for."""


def in_a_loop(body: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is run to its end, and nothing beside it."""

    @wraps(body)
    def run() -> None:
        asyncio.run(body())

    return run


class Stones(Source):
    """A store that can be looked at, be away, or take its time."""

    def __init__(self, page: int = 10_000) -> None:
        self.log: list[tuple[TenantId, str | None]] = []
        self.standing: set[tuple[TenantId, str | None]] = set()
        self.page = page
        self.looks = 0
        self.questions = 0
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    def bury(self, tenant: TenantId, user: UserId | None = None) -> None:
        """As another process would."""
        who = (tenant, None if user is None else user_hash(tenant, user))
        self.log.append(who)
        self.standing.add(who)

    async def changes(self, place: Any, limit: int) -> Changes:
        self.looks += 1
        start = place or 0
        news = self.log[start : start + self.page]
        await self.open.wait()
        if self.away:
            raise StoreUnavailableError("away")
        return Changes(
            place=start + len(news),
            tenants=[tenant for tenant, user in news if user is None],
            users=[user[:BITS] for _, user in news if user is not None],
            more=len(news) == self.page,
        )

    async def stand(
        self, tenant: TenantId, users: Sequence[str], *, own: bool
    ) -> Collection[str | None]:
        self.questions += 1
        if self.away:
            raise StoreUnavailableError("away")
        asked = [None, *users] if own else users
        return {user for user in asked if (tenant, user) in self.standing}


@asynccontextmanager
async def gate_of(
    stones: Stones, staleness: timedelta = LONG, kind: type[ViewGate] = ViewGate
) -> AsyncIterator[ViewGate]:
    """A gate, closed at the end; no task is left then."""
    gate = kind(stones, staleness)
    yield gate
    await gate.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def refused(gate: ViewGate, tenant: TenantId, *users: UserId) -> bool:
    """Whether a write is."""
    try:
        await gate.admit(tenant, users)
    except ErasedError:
        return True
    return False


async def turns(number: int) -> None:
    """Let others have theirs."""
    for _ in range(number):
        await asyncio.sleep(0)


@in_a_loop
async def test_a_write_costs_the_store_nothing() -> None:
    """It is asked once, and then about those alone who were erased."""
    stones = Stones()
    stones.bury(U)
    stones.bury(T, BOB)
    async with gate_of(stones) as gate:
        for _ in range(1_000):
            await gate.admit(T, [ADA])
        assert (stones.looks, stones.questions) == (1, 0)
        assert await refused(gate, U)
        assert await refused(gate, T, ADA, BOB)
        assert not await refused(gate, T)
        assert not await refused(gate, TenantId("v"), BOB)
        assert (stones.looks, stones.questions) == (1, 2)


@in_a_loop
async def test_many_who_wait_ask_together() -> None:
    """One question is enough for all that came while it was under way."""
    stones = Stones()
    stones.open.clear()
    async with gate_of(stones) as gate:
        waiting = [asyncio.create_task(gate.admit(T)) for _ in range(50)]
        await asyncio.sleep(0)
        stones.open.set()
        await asyncio.gather(*waiting)
        assert stones.looks == 1


@in_a_loop
async def test_one_who_is_cancelled_takes_nothing_from_the_others() -> None:
    """The question goes on."""
    stones = Stones()
    stones.bury(T)
    stones.open.clear()
    async with gate_of(stones) as gate:
        first = asyncio.create_task(gate.admit(U))
        second = asyncio.create_task(refused(gate, T))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert first.cancelled()
        stones.open.set()
        assert await second
        assert stones.looks == 1


def closed_when_nobody_answers(kind: type[ViewGate]) -> None:
    """What a gate of some kind does then."""

    async def body() -> None:
        stones = Stones()
        stones.away = True
        async with gate_of(stones, timedelta(), kind) as gate:
            for _ in range(2):
                with pytest.raises(StoreUnavailableError):
                    await gate.admit(T)
            stones.away = False
            await gate.admit(T)

    asyncio.run(body())


def test_it_is_closed_when_nobody_answers() -> None:
    """Not knowing who was erased, it admits nobody; it asks again for the next write."""
    closed_when_nobody_answers(ViewGate)


@in_a_loop
async def test_a_view_that_is_young_enough_does_without_an_answer() -> None:
    """It looks in the background, and whoever comes meanwhile goes by what it has."""
    stones = Stones()
    async with gate_of(stones) as gate:
        await gate.admit(T)
        gate._due = 0.0  # half of its time is over
        stones.open.clear()
        stones.bury(T)
        await gate.admit(T)
        await asyncio.sleep(0)
        assert stones.looks == 2
        stones.open.set()
        await turns(5)
        assert await refused(gate, T)
        assert stones.looks == 2


def waited_for_when_too_old(kind: type[ViewGate]) -> None:
    """What a gate of some kind does then."""

    async def body() -> None:
        stones = Stones()
        async with gate_of(stones, timedelta(), kind) as gate:
            await gate.admit(T)
            stones.bury(T)
            assert await refused(gate, T)

    asyncio.run(body())


def test_one_that_is_too_old_is_waited_for() -> None:
    """So what was buried before is known."""
    waited_for_when_too_old(ViewGate)


@in_a_loop
async def test_who_wakes_with_a_suspended_machine_looks_again() -> None:
    """What a view was for an hour of which the loop knows nothing is old."""
    stones, now = Stones(), [0.0]
    with patch("ports.view._elapsed", lambda: now[0]):
        async with gate_of(stones, timedelta(seconds=1)) as gate:
            await gate.admit(T)
            stones.bury(T)
            await gate.admit(T)
            now[0] += 3_600
            assert await refused(gate, T)


@in_a_loop
async def test_while_it_reads_page_after_page_the_store_decides() -> None:
    """Nobody waits for more than one page, however many were erased."""
    stones = Stones(page=10)
    for n in range(1_000):
        stones.bury(T, UserId(f"user {n}"))
    async with gate_of(stones) as gate:
        assert await refused(gate, T, UserId("user 999"))
        assert stones.looks < 10
        assert not await refused(gate, T, ADA)
        await turns(500)
        asked = stones.questions
        assert not await refused(gate, T, ADA)
        assert stones.questions == asked
        assert await refused(gate, T, UserId("user 0"))


@in_a_loop
async def test_who_was_lifted_is_asked_about_once() -> None:
    """Then it is forgotten, unless it was buried again meanwhile."""
    stones = Stones()
    stones.bury(T)
    async with gate_of(stones) as gate:
        assert await refused(gate, T)
        stones.standing.clear()
        for _ in range(3):
            assert not await refused(gate, T)
        assert stones.questions == 2
        stones.standing.add((T, None))
        gate.buried(T, None)
        assert await refused(gate, T)


@in_a_loop
async def test_a_closed_one_admits_nobody_and_leaves_no_task() -> None:
    """Also who waits for it then."""
    stones = Stones()
    stones.open.clear()
    gate = ViewGate(stones, LONG)
    waiting = asyncio.create_task(gate.admit(T))
    await asyncio.sleep(0)
    await gate.close()
    with pytest.raises(StoreUnavailableError):
        await waiting
    with pytest.raises(StoreUnavailableError):
        await gate.admit(T)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_set_of_fingerprints_is_a_set() -> None:
    """Of a million, it takes some ten megabytes."""
    numbers = [int(user_hash(T, UserId(str(n)))[:BITS], 16) for n in range(5_000)]
    kept = Fingerprints()
    assert not kept
    assert [kept.add(number) for number in numbers] == [True] * 5_000
    assert not any(kept.add(number) for number in numbers)
    assert len(kept) == 5_000
    assert all(number in kept for number in numbers)
    assert not any(number ^ 1 in kept for number in numbers)
    for number in numbers[::2]:
        kept.discard(number)
        kept.discard(number)
    assert len(kept) == 2_500
    assert [number in kept for number in numbers] == [False, True] * 2_500
