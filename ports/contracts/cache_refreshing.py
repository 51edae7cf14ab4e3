"""Values that are replaced before anybody misses them: stale ones, and those about to end."""

import asyncio

import pytest

from ports import cache_loading
from ports.cache import HOUR, MISS
from ports.cache_entries import LEASE
from ports.cache_terms import MAX_EARLY
from ports.contracts.cached import Counted, Gated, caches, ms, until, within
from ports.contracts.harness import Backend, contract
from ports.stores import TenantScope

MINUTE = ms(60_000)


@contract
async def test_a_stale_value_is_served_while_one_load_replaces_it(backend: Backend) -> None:
    """At once, to any number of callers on both instances."""
    both = here, there = caches(backend)
    await here.set("key", "old", ms(1000), stale=MINUTE)
    backend.clock.advance(milliseconds=1005)
    load = Gated("new")
    for cache in both * 10:
        assert await within(cache.get_or_load("key", load, ms(5000), stale=MINUTE)) == "old"
    await within(load.began.wait())
    assert await there.get_or_load("key", load, ms(5000), stale=MINUTE) == "old"
    load.go.set()
    found = "old"
    while found == "old":
        await asyncio.sleep(0.001)
        found = str(await within(there.get_or_load("key", load, ms(5000), stale=MINUTE)))
    assert (found, load.calls) == ("new", 1)
    assert await here.ttl("key") == ms(5000)
    assert sum(cache.stats().stale_served for cache in both) >= 21


@contract(still=True)
async def test_a_stale_value_is_absent_to_everything_else(backend: Backend) -> None:
    """To all that doesn't ask for stale ones: nobody takes it for fresh."""
    here, there = caches(backend)
    await here.set("key", "old", ms(1000), stale=MINUTE)
    assert await there.ttl("key") == ms(1000)
    backend.clock.advance(milliseconds=995)
    assert await there.get("key") == "old"
    backend.clock.advance(milliseconds=10)
    assert await there.get("key") is MISS
    assert await there.get_many(["key"]) == {}
    assert not await there.exists("key")
    assert await there.ttl("key") is None
    assert not await there.expire("key", HOUR)
    assert await within(there.get_or_load("key", Counted())) == 1
    assert await here.get("key") == 1


@contract
async def test_a_stale_value_ends(backend: Backend, scope: TenantScope) -> None:
    """After its time and its stale part: then it is loaded, and callers wait."""
    cache, load = scope.cache, Counted()
    assert await within(cache.get_or_load("key", load, ms(1000), stale=ms(500))) == 1
    backend.clock.advance(milliseconds=1505)
    assert await within(cache.get_or_load("key", load, ms(1000), stale=ms(500))) == 2
    assert cache.stats().stale_served == 0


@contract
async def test_a_stale_value_can_be_deleted(backend: Backend) -> None:
    """Nobody is served it then; nor what a refresh loaded that began before."""
    here, there = caches(backend)
    await here.set("key", "old", ms(1000), stale=MINUTE)
    backend.clock.advance(milliseconds=1005)
    load = Gated("older still")
    assert await here.get_or_load("key", load, stale=MINUTE) == "old"
    await within(load.began.wait())
    assert not await there.delete("key")
    load.go.set()
    await until(lambda: here.stats().fills_refused == 1)
    assert await within(here.get_or_load("key", Counted(), stale=MINUTE)) == 1


@contract
async def test_a_refresh_that_fails_leaves_the_stale_value(backend: Backend) -> None:
    """Nobody is told but the statistics; a later call tries again."""
    here, _ = caches(backend)
    await here.set("key", 0, ms(1000), stale=MINUTE)
    backend.clock.advance(milliseconds=1005)
    load = Counted(ValueError(), ValueError())
    found: object = 0
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        while found == 0:
            found = await here.get_or_load("key", load, stale=MINUTE)
            await asyncio.sleep(0.001)
    assert (found, load.calls, here.stats().load_failures) == (3, 3, 2)


@contract
async def test_a_refresh_without_end_keeps_nobody_from_loading(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody awaits it who could leave; it is ended some time after what it was to replace."""
    monkeypatch.setattr(cache_loading, "OVERDUE", ms(0))
    both = here, there = caches(backend)
    await here.set("key", "old", ms(1000), stale=ms(50))
    backend.clock.advance(milliseconds=1005)
    hangs = Gated()
    assert await here.get_or_load("key", hangs, stale=ms(50)) == "old"
    await within(hangs.began.wait())
    backend.clock.advance(milliseconds=100)
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        assert await there.get_or_load("key", Counted()) == 1
    assert here.stats().load_failures == 1
    assert [await cache.get("key") for cache in both] == [1, 1]


@contract(still=True)
async def test_a_prolonged_value_goes_stale_later(backend: Backend) -> None:
    """For as long as it would have."""
    here, there = caches(backend)
    await here.set("key", "old", ms(1000), stale=ms(500))
    assert await there.expire("key", ms(3000))
    assert await here.ttl("key") == ms(3000)
    backend.clock.advance(milliseconds=2995)
    assert await here.get("key") == "old"
    backend.clock.advance(milliseconds=500)
    assert await here.get("key") is MISS
    assert await here.get_or_load("key", Counted(), stale=ms(500)) == "old"


@contract
async def test_a_value_about_to_end_is_loaded_early(backend: Backend) -> None:
    """Without anybody waiting, the more probably the nearer its end; never unless asked for."""
    here, _ = caches(backend)
    load = Counted()
    assert await within(here.get_or_load("key", load, ms(1000), early=1)) == 1
    backend.clock.advance(milliseconds=995)
    for _ in range(20):
        assert await here.get_or_load("key", load, ms(1000)) == 1
    await asyncio.sleep(0.01)
    assert load.calls == 1
    found: object = 1
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        while found == 1:
            found = await here.get_or_load("key", load, ms(1000), early=MAX_EARLY)
            await asyncio.sleep(0.001)
    assert str(found) > "1"
    assert await here.ttl("key") == ms(1000)


@contract
async def test_a_value_far_from_its_end_is_not_loaded_early(backend: Backend) -> None:
    """Ten years are more than any lot makes of a load of a moment."""
    here, _ = caches(backend)
    load = Counted()
    for _ in range(50):
        assert await within(here.get_or_load("key", load, HOUR * 24 * 3650, early=1)) == 1
    await asyncio.sleep(0.01)
    assert load.calls == 1


@contract
async def test_a_value_that_was_not_loaded_is_not_loaded_early(backend: Backend) -> None:
    """Nobody knows how long that takes."""
    here, _ = caches(backend)
    await here.set("key", 0, ms(1000))
    backend.clock.advance(milliseconds=995)
    for _ in range(20):
        assert await here.get_or_load("key", Counted(), early=MAX_EARLY) == 0
