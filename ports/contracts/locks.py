"""Locks: one holds, the others wait or are told; nobody else's, nobody's before its time."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.errors import LockLostError, LockNotAcquiredError
from ports.leases import Lease
from ports.stores import TenantScope

AT_ONCE = timedelta(0)
SOON = timedelta(seconds=3)
"""Longer than any of the waits that end; who waits so long waits for something that won't come."""


async def is_free(scope: TenantScope, name: str = "a") -> bool:
    """Whether it can be had at once."""
    try:
        async with scope.locks.hold(name, wait=AT_ONCE):
            return True
    except LockNotAcquiredError:
        return False


async def stands(scope: TenantScope, holding: str, place: int) -> int:
    """Its place in the line of a lock that somebody holds."""
    return (await scope.locks._take("a", holding, 1_000, place)).place


async def in_line(*scopes: TenantScope) -> None:
    """Return when all who asked for the lock have come to the store, which somebody holds.

    What is asked of the same lock later, through the same instance, is answered later.
    """
    for _ in range(3):
        for scope in scopes:
            assert not await is_free(scope)


@contract
async def test_a_lock_is_held_for_a_block_and_free_after_it(backend: Backend) -> None:
    """By one alone, whichever instance asks."""
    here, there = backend.rivals()
    for first, second in ((here, there), (there, here)):
        async with first.locks.hold("nightly") as lease:
            assert (lease.name, lease.lost) == ("nightly", False)
            assert 0 < lease.fencing_token < 2**53
            lease.check()
            assert not await is_free(second, "nightly")
            assert not await is_free(first, "nightly")
        assert await is_free(second, "nightly")


@contract
async def test_a_lease_says_when_its_block_is_over(scope: TenantScope) -> None:
    """It wasn't lost; but whoever kept it may not go on as if it were held."""
    async with scope.locks.hold("a") as lease:
        pass
    assert not lease.lost
    with pytest.raises(LockLostError):
        lease.check()


@contract
async def test_an_exception_passes_through_and_releases(backend: Backend) -> None:
    """Unchanged, whatever it is."""
    here, there = backend.rivals()
    for error in (KeyError("mine"), LockLostError("another's"), asyncio.CancelledError("its own")):
        with pytest.raises(type(error)) as caught:
            async with here.locks.hold("a"):
                raise error
        assert caught.value is error
        assert caught.value.__cause__ is None
        assert await is_free(there)


@contract
async def test_who_does_not_wait_is_told_at_once(backend: Backend) -> None:
    """And may come again."""
    here, there = backend.rivals()
    async with here.locks.hold("a"):
        error = await raised_by(there.locks.hold("a", wait=AT_ONCE).__aenter__())
        assert isinstance(error, LockNotAcquiredError)
        assert error.retryable
    assert await is_free(there)


@contract
async def test_who_waited_in_vain_leaves_no_place_in_the_line(backend: Backend) -> None:
    """Be it that its time was up, or its caller's."""
    here, there = backend.rivals()
    short = timedelta(milliseconds=20)
    async with here.locks.hold("a"):
        for scope in (here, there):
            with pytest.raises(LockNotAcquiredError):
                async with scope.locks.hold("a", wait=short):
                    pass
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02), scope.locks.hold("a"):
                    pass
    assert await is_free(here)
    assert await is_free(there)


@contract
async def test_a_holding_is_not_re_entrant(scope: TenantScope) -> None:
    """Its own task waits for it as any other does."""
    async with scope.locks.hold("a") as lease:
        with pytest.raises(LockNotAcquiredError):
            async with scope.locks.hold("a", wait=timedelta(milliseconds=20)):
                pass
        lease.check()


@contract
async def test_a_holding_is_used_once(scope: TenantScope) -> None:
    """Two blocks would share one lease."""
    holding = scope.locks.hold("a")
    async with holding as lease:
        with pytest.raises(RuntimeError):
            await holding.__aenter__()
        lease.check()
    with pytest.raises(RuntimeError):
        await holding.__aenter__()


@contract
async def test_locks_of_other_names_and_tenants_are_others(backend: Backend) -> None:
    """Whatever the names are: nobody waits for another's lock."""
    tenant = backend.tenant()
    named = [
        (tenant, "c"),
        (tenant, "C"),
        (tenant, "b:c"),
        (f"{tenant}:b", "c"),
        (tenant, "c "),
        (tenant, "{c}"),
        (tenant, "*"),
        (tenant, "ć"),
        (tenant, "c\u0301"),
        (tenant, "%63"),
        (tenant, "c/lock"),
        (tenant, "\x01\n"),
        (tenant, "𝕔" * 512),
        (tenant, "𝕔" * 511),
    ]
    held: list[AbstractAsyncContextManager[Lease]] = []
    for number, (whose, name) in enumerate(named):
        holding = backend.scope(whose, number % 2).locks.hold(name, wait=AT_ONCE)
        assert (await holding.__aenter__()).name == name
        held.append(holding)
    for whose, name in named:
        assert not await is_free(backend.scope(whose), name)
    for holding in held:
        await holding.__aexit__(None, None, None)
    for whose, name in named:
        assert await is_free(backend.scope(whose, 1), name)


IMPOSSIBLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "no name": ("", {}),
    "a long name": ("a" * 513, {}),
    "NUL": ("a\x00", {}),
    "a lone surrogate": ("\ud800", {}),
    "bytes": (b"a", {}),
    "None": (None, {}),
    "no ttl": ("a", {"ttl": timedelta(0)}),
    "a negative ttl": ("a", {"ttl": timedelta(seconds=-1)}),
    "a short ttl": ("a", {"ttl": timedelta(milliseconds=99)}),
    "a long ttl": ("a", {"ttl": timedelta(hours=1, milliseconds=1)}),
    "a ttl in microseconds": ("a", {"ttl": timedelta(seconds=1, microseconds=1)}),
    "seconds": ("a", {"ttl": 30}),
    "a flag": ("a", {"ttl": True}),
    "not a number": ("a", {"ttl": float("nan")}),
    "None for a ttl": ("a", {"ttl": None}),
    "a negative wait": ("a", {"wait": timedelta(milliseconds=-1)}),
    "a wait in seconds": ("a", {"wait": 0}),
    "a long wait": ("a", {"wait": timedelta(days=1, milliseconds=1)}),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
@contract
async def test_what_cannot_be_is_refused(scope: TenantScope, case: str) -> None:
    """As the caller's mistake, with nothing locked."""
    name, more = IMPOSSIBLE[case]
    with pytest.raises(ValidationError):
        async with scope.locks.hold(name, **more):
            pass
    assert await is_free(scope)


@contract
async def test_fencing_tokens_grow(backend: Backend) -> None:
    """From lease to lease of a lock: at the same time and after days, lapsed or released."""
    scopes = backend.rivals()
    tokens: list[int] = []
    pauses = [timedelta(0), timedelta(0), timedelta(seconds=31), timedelta(hours=25)]
    pauses += [timedelta(0), timedelta(days=10), timedelta(0), timedelta(milliseconds=1)]
    for number, pause in enumerate(pauses * 2):
        backend.clock.advance(seconds=pause.total_seconds())
        lapses = number % 3 == 2
        try:
            async with scopes[number % 2].locks.hold("a", wait=AT_ONCE) as lease:
                tokens.append(lease.fencing_token)
                backend.clock.advance(days=2 * lapses)
        except LockLostError:
            assert lapses
    assert tokens == sorted(set(tokens))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.integers(0, 5), st.sampled_from([60, 3600])),
        st.tuples(st.just("release"), st.integers(0, 5), st.none()),
        st.tuples(st.just("pass"), st.sampled_from([0.007, 17.003, 61.5, 3601.5]), st.none()),
    ),
    max_size=20,
)


@given(steps=STEPS)
@examples(0.6)
@contract
async def test_any_course_agrees_with_the_model(
    backend: Backend, scope: TenantScope, steps: list[tuple[str, Any, Any]]
) -> None:
    """Six who hold three locks, release them and let leases lapse; each on one instance."""
    ends: dict[str, tuple[int, float]] = {}
    last: dict[str, int] = {}
    holdings: dict[int, AbstractAsyncContextManager[Lease]] = {}
    now = 0.0

    async def release(who: int) -> None:
        name = "xyz"[who % 3]
        holder, until = ends.get(name, (None, 0.0))
        mine = holder == who and now < until
        error = await raised_by(holdings.pop(who).__aexit__(None, None, None))
        assert (error is None) if mine else isinstance(error, LockLostError)
        if mine:
            del ends[name]

    for verb, which, ttl in steps:
        if verb == "pass":
            backend.clock.advance(seconds=which)
            now += which
        elif verb == "release" and which in holdings:
            await release(which)
        elif verb == "hold" and which not in holdings:
            name = "xyz"[which % 3]
            locks = backend.scope(scope.tenant, which % 2).locks
            holding = locks.hold(name, timedelta(seconds=ttl), wait=AT_ONCE)
            if name in ends and now < ends[name][1]:
                assert isinstance(await raised_by(holding.__aenter__()), LockNotAcquiredError)
                continue
            lease = await holding.__aenter__()
            assert lease.fencing_token > last.get(name, 0)
            last[name] = lease.fencing_token
            ends[name] = (which, now + ttl)
            holdings[which] = holding
    for who in list(holdings):
        await release(who)


@contract
async def test_nobody_stands_in_the_line_twice(backend: Backend) -> None:
    """Who gets in line anew, not knowing its place, has another; or comes back to one."""
    here, there = backend.rivals()
    async with here.locks.hold("a"):
        first = await stands(here, "one", 0)
        assert await stands(there, "two", 0) > first
        assert await stands(here, "one", 0) > first
        assert not await there.locks._give_back("a", "one")
        assert await stands(here, "one", first) == first
        assert not await there.locks._give_back("a", "one")
        assert not await there.locks._give_back("a", "two")
    assert await is_free(there)
