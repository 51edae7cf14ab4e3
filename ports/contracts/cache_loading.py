"""One load for any number of misses, whoever fails or leaves meanwhile."""

import asyncio
from typing import Any

from domain.errors import ValidationError
from ports.cache import HOUR, MISS
from ports.cache_entries import LEASE
from ports.contracts.cached import Counted, Gated, before, caches, ended, ms, until, within, words
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

CROWD = 200


class Mishap(Exception):
    """What a loader raises."""


@contract(still=True)
async def test_a_miss_is_loaded_and_stored(backend: Backend) -> None:
    """Whoever comes later, on whatever instance, finds it."""
    here, there = caches(backend)
    load = Counted()
    assert await within(here.get_or_load("key", load, ms(1000))) == 1
    assert await here.ttl("key") == ms(1000)
    assert await there.get_or_load("key", load) == 1
    assert await there.get("key") == 1
    backend.clock.advance(milliseconds=1005)
    assert await there.get_or_load("key", load) == 2
    assert await here.ttl("key") == HOUR


@contract
async def test_a_none_that_was_loaded_is_not_loaded_again(backend: Backend) -> None:
    """It is what there is."""
    here, there = caches(backend)
    load = Gated(None)
    load.go.set()
    for cache in (here, there, here):
        assert await within(cache.get_or_load("key", load)) is None
    assert load.calls == 1


@contract
async def test_many_misses_at_once_are_one_load(backend: Backend) -> None:
    """On both instances together; each caller gets the value."""
    both = caches(backend)
    load = Gated({"value": [1]})

    async def release() -> None:
        await load.began.wait()
        load.go.set()

    callers = [both[n % 2].get_or_load("key", load) for n in range(CROWD)]
    found = await within(asyncio.gather(release(), *callers))
    assert found[1:] == [{"value": [1]}] * CROWD
    assert load.calls == 1


@contract
async def test_many_misses_of_many_keys_are_one_load_each(backend: Backend) -> None:
    """Loads of different keys don't wait for each other."""
    both = caches(backend)
    loads = {f"{n}": Gated(n) for n in range(10)}

    async def release() -> None:
        for load in reversed(loads.values()):
            await load.began.wait()
        for load in loads.values():
            load.go.set()

    callers = [cache.get_or_load(key, load) for key, load in loads.items() for cache in both * 2]
    await within(asyncio.gather(release(), *callers))
    assert [load.calls for load in loads.values()] == [1] * 10


@contract
async def test_who_comes_while_it_is_loaded_waits_for_it(backend: Backend) -> None:
    """However late, on either instance."""
    both = caches(backend)
    load = Gated()
    first = asyncio.create_task(both[0].get_or_load("key", load))
    await within(load.began.wait())
    late = [asyncio.create_task(cache.get_or_load("key", load)) for cache in both * 3]
    await until(lambda: sum(cache.stats().misses for cache in both) >= 7)
    await asyncio.sleep(0.01)
    load.go.set()
    assert await within(asyncio.gather(first, *late)) == ["loaded"] * 7
    assert load.calls == 1


@contract
async def test_the_error_of_a_loader_is_its_callers(backend: Backend) -> None:
    """Nothing is stored, nobody is left waiting, and the next call loads."""
    here, there = caches(backend)
    load = Counted(Mishap(), Mishap())
    assert isinstance(await within(raised_by(here.get_or_load("key", load))), Mishap)
    assert await there.get("key") is MISS
    assert isinstance(await within(raised_by(there.get_or_load("key", load))), Mishap)
    assert await within(here.get_or_load("key", load)) == 3
    assert here.stats().load_failures in (1, 2)  # one store may count for both


@contract
async def test_who_waited_for_a_load_that_failed_is_told_or_loads(backend: Backend) -> None:
    """At once, not when a lease ends: the failed one's process is told, another one loads."""
    both = caches(backend)
    failing = Gated(error=Mishap())
    first = asyncio.create_task(both[0].get_or_load("key", failing))
    await within(failing.began.wait())
    good = Counted()
    others = [asyncio.create_task(cache.get_or_load("key", good)) for cache in both * 10]
    await until(lambda: sum(cache.stats().misses for cache in both) >= 21)
    await asyncio.sleep(0.01)
    failing.go.set()
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        results = await ended(first, *others)
    assert isinstance(results[0], Mishap)
    assert {type(result) for result in results[1:]} <= {Mishap, int}
    assert good.calls <= 1
    assert await within(both[1].get_or_load("key", good)) == 1


@contract
async def test_what_a_codec_refuses_is_its_loaders_error(scope: TenantScope) -> None:
    """A value that can't be stored isn't returned either: it would differ from call to call."""

    async def odd() -> Any:
        return float("nan")

    error = await within(raised_by(scope.cache.get_or_load("key", odd)))
    assert isinstance(error, ValidationError)
    assert scope.cache.stats().load_failures == 1
    assert await within(scope.cache.get_or_load("key", Counted())) == 1


@contract
async def test_a_caller_that_leaves_takes_no_load_along(backend: Backend) -> None:
    """Even the one that began it; the others get what is loaded, once."""
    both = caches(backend)
    load = Gated()
    first = asyncio.create_task(both[0].get_or_load("key", load))
    await within(load.began.wait())
    others = [asyncio.create_task(cache.get_or_load("key", load)) for cache in both]
    await until(lambda: sum(cache.stats().loads_awaited for cache in both) >= 2)
    first.cancel()
    assert isinstance((await ended(first))[0], asyncio.CancelledError)
    load.go.set()
    assert await ended(*others) == ["loaded"] * 2
    assert load.calls == 1


@contract
async def test_who_joins_as_the_last_caller_leaves_is_not_left_alone(backend: Backend) -> None:
    """It looks whether what is loaded still counts; the load goes on for it meanwhile."""
    looks, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        looks.set()
        await go.wait()

    cache = before("holds", wait, caches(backend)[0])
    load = Gated()
    first = asyncio.create_task(cache.get_or_load("key", load))
    await within(load.began.wait())
    second = asyncio.create_task(cache.get_or_load("key", load))
    await within(looks.wait())
    first.cancel()
    await ended(first)
    go.set()
    load.go.set()
    assert await ended(second) == ["loaded"]
    assert load.calls == 1


@contract
async def test_who_waits_is_not_cancelled_because_a_loader_was(backend: Backend) -> None:
    """Its own loader is called then; the caller whose loader it was is told as it was."""
    here, _ = caches(backend)
    go = asyncio.Event()

    async def cancelled() -> Any:
        await go.wait()
        raise asyncio.CancelledError

    load = Counted()
    first = asyncio.create_task(here.get_or_load("key", cancelled))
    await until(lambda: here.stats().loads == 1)
    others = [asyncio.create_task(here.get_or_load("key", load)) for _ in range(5)]
    await until(lambda: here.stats().loads_awaited == 5)
    go.set()
    results = await ended(first, *others)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [1] * 5


@contract
async def test_a_load_that_nobody_waits_for_ends(backend: Backend) -> None:
    """It is cancelled with its last caller, and the next one need not wait for its lease."""
    here, there = caches(backend)
    cancelled = asyncio.Event()
    began = asyncio.Event()

    async def load() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    callers = [asyncio.create_task(here.get_or_load("key", load)) for _ in range(3)]
    await within(began.wait())
    for caller in callers:
        caller.cancel()
    await ended(*callers)
    await within(cancelled.wait())
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        assert await there.get_or_load("key", Counted()) == 1


@contract
async def test_a_load_whose_lease_ended_is_taken_over(backend: Backend) -> None:
    """Its callers still get its value, but it isn't stored over what was loaded since."""
    here, there = caches(backend)
    slow = Gated("late")
    first = asyncio.create_task(here.get_or_load("key", slow))
    await within(slow.began.wait())
    backend.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert await within(there.get_or_load("key", Counted())) == 1
    slow.go.set()
    assert await within(first) == "late"
    assert (await here.get("key"), await there.get("key")) == (1, 1)
    assert here.stats().fills_refused == 1


@contract
async def test_loaders_may_load_other_keys(backend: Backend) -> None:
    """One within the other."""
    here, _ = caches(backend)
    inner = Counted()

    async def outer() -> Any:
        return [await here.get_or_load("inner", inner)]

    assert await within(here.get_or_load("outer", outer)) == [1]
    assert await here.get("inner") == 1


@contract
async def test_a_loader_that_asks_for_its_own_key_is_told(backend: Backend) -> None:
    """Directly, in a circle or by another way; it would wait for itself for ever."""
    here, _ = caches(backend)

    async def circle(keys: str) -> Any:
        return await here.get_or_load(keys[0], lambda: circle(keys[1:]))

    for keys in ("aa", "aba"):
        error = await within(raised_by(circle(keys)))
        assert isinstance(error, InvalidQueryError)
        assert await here.get_many([*keys]) == {}
    beside = here.through(lambda entries: entries)
    error = await within(
        raised_by(here.get_or_load("a", lambda: beside.get_or_load("a", Counted())))
    )
    assert isinstance(error, InvalidQueryError)
    assert await within(here.get_or_load("a", Counted())) == 1


@contract
async def test_views_of_other_types_load_their_own(backend: Backend) -> None:
    """At the same moment, under one key; each gets a value of its type."""
    here, there = caches(backend)

    async def load() -> tuple[str, ...]:
        await asyncio.sleep(0)
        return ("a", "b")

    mixed = asyncio.gather(
        *(here.get_or_load("key", Counted()) for _ in range(5)),
        *(words(there).get_or_load("key", load) for _ in range(5)),
    )
    results: list[Any] = await within(mixed)
    assert results[5:] == [("a", "b")] * 5
    assert all(isinstance(result, int) for result in results[:5])


@contract
async def test_what_happens_is_counted(backend: Backend, scope: TenantScope) -> None:
    """For this tenant alone."""
    cache, load = scope.cache, Counted()
    await cache.get("key")
    await within(cache.get_or_load("key", load))
    await cache.get("key")
    await cache.get_or_load("key", load)
    await cache.get_many(["key", "other"])
    await cache.exists("other")
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.stale_served) == (3, 3, 0)
    assert (stats.loads, stats.load_failures, stats.loads_awaited) == (1, 0, 0)
    assert (stats.fills_refused, stats.corrupt) == (0, 0)
    assert backend.fresh().cache.stats().hits == 0
    slow = Gated()
    callers = [asyncio.create_task(cache.get_or_load("slow", slow)) for _ in range(4)]
    await within(slow.began.wait())
    slow.go.set()
    await within(asyncio.gather(*callers))
    assert (cache.stats().loads, cache.stats().loads_awaited) == (2, 3)
