"""What was invalidated is not served, and no load that began before stores anything."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ports.cache import HOUR, MISS, Cache
from ports.cache_entries import LEASE
from ports.contracts.cached import (
    Counted,
    Gated,
    Overtaken,
    after,
    before,
    caches,
    ms,
    within,
    words,
)
from ports.contracts.concurrency import all_at_once
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import StoreUnavailableError

INVALIDATIONS: dict[str, Callable[[Cache], Awaitable[object]]] = {
    "delete": lambda cache: cache.delete("key"),
    "set": lambda cache: cache.set("key", "set"),
    "set with tags": lambda cache: cache.set("key", "set", tags=["other"]),
    "set_many": lambda cache: cache.set_many({"key": "set"}),
    "invalidate_tag": lambda cache: cache.invalidate_tag("tag"),
    "clear": lambda cache: cache.clear(),
}
ways = pytest.mark.parametrize("way", INVALIDATIONS)


@ways
@contract
async def test_a_load_that_began_before_is_not_stored(backend: Backend, way: str) -> None:
    """Whoever invalidates, here or there; its callers get what they waited for."""
    for one, other in (caches(backend), caches(backend)[::-1]):
        load = Gated("old")
        caller = asyncio.create_task(one.get_or_load("key", load, tags=["tag"]))
        await within(load.began.wait())
        await INVALIDATIONS[way](other)
        load.go.set()
        assert await within(caller) == "old"
        left = "set" if "set" in way else MISS
        assert (await one.get("key"), await other.get("key")) == (left, left)
        assert one.stats().fills_refused == 1


@ways
@contract
async def test_who_comes_after_gets_nothing_from_before(backend: Backend, way: str) -> None:
    """A call that begins later doesn't join the load that is still under way, on any instance."""
    here, there = caches(backend)
    load = Overtaken("old")
    early = [
        asyncio.create_task(cache.get_or_load("key", load, tags=["tag"])) for cache in (here, there)
    ]
    await within(load.began.wait())
    await INVALIDATIONS[way](there)
    late = [cache.get_or_load("key", load, tags=["tag"]) for cache in (here, there)]
    expected = "set" if "set" in way else "new"
    assert await within(asyncio.gather(*late)) == [expected] * 2
    load.go.set()
    assert set(await within(asyncio.gather(*early))) <= {"old", expected}
    assert (await here.get("key"), await there.get("key")) == (expected, expected)


@ways
@contract
async def test_a_stored_value_is_gone_after(backend: Backend, way: str) -> None:
    """At once, for everybody."""
    here, there = caches(backend)
    await here.set("key", "old", tags=["tag"])
    await INVALIDATIONS[way](there)
    left = "set" if "set" in way else MISS
    assert (await here.get("key"), await there.get("key")) == (left, left)


@contract
async def test_invalidations_and_loads_may_come_in_any_order(backend: Backend) -> None:
    """Whatever is served after an invalidation was loaded from what was there at it, or later."""
    both = caches(backend)
    source = 0

    async def load() -> int:
        seen = source
        await asyncio.sleep(0)
        return seen

    async def act(number: int, cache: Cache) -> None:
        nonlocal source
        for turn in range(6):
            if number == 0:
                source += 1
                mark = source
                if turn % 2:
                    await cache.invalidate_tag("tag")
                else:
                    await cache.delete("key")
                found: Any = await cache.get_or_load("key", load, tags=["tag"])
                assert found >= mark
            else:
                mark = source
                await cache.get_or_load("key", load, tags=["tag"])

    assert await within(all_at_once(both, act)) == [None] * 8
    assert await both[1].get_or_load("key", load) == source


@contract
async def test_a_tag_takes_its_values_and_no_other(backend: Backend) -> None:
    """However they came: set, set with others, or loaded; of whatever type."""
    here, there = caches(backend)
    await here.set("set", 1, tags=["a", "b"])
    await here.set_many({"many": 1, "more": 1}, tags=["a"])
    await within(here.get_or_load("loaded", Counted(), tags=["c", "a"]))
    await words(here).set("words", ("x",), tags=["a"])
    await here.set("other", 1, tags=["b"])
    await here.set("none", 1)
    assert await there.invalidate_tag("a") == 5
    keys = ["set", "many", "more", "loaded", "other", "none"]
    assert await here.get_many(keys) == {"other": 1, "none": 1}
    assert await words(there).get("words") is MISS
    assert await there.invalidate_tag("a") == 0
    assert await there.invalidate_tag("never used") == 0
    assert await here.invalidate_tag("b") == 1


@contract
async def test_a_tag_holds_more_than_a_page_of_values(backend: Backend) -> None:
    """All of them go."""
    here, there = caches(backend)
    values = {f"{n}": n for n in range(1_201)}
    await here.set_many(values, tags=["tag"])
    assert await there.invalidate_tag("tag") == len(values)
    assert await here.get_many(values) == {}


@contract
async def test_a_value_that_is_stored_again_is_invalidated_again(backend: Backend) -> None:
    """An invalidation doesn't forget for the next one."""
    here, there = caches(backend)
    for cache in (here, there, here):
        await cache.set("key", 1, tags=["tag"])
        assert await there.invalidate_tag("tag") == 1
        await within(cache.get_or_load("key", Counted(), tags=["tag"]))
        assert await here.invalidate_tag("tag") == 1


@contract
async def test_a_tag_reaches_a_value_for_as_long_as_it_lives(backend: Backend) -> None:
    """Longer than others of the tag, and also when its life was prolonged since."""
    here, there = caches(backend)
    await here.set("short", 1, ms(10), tags=["tag"])
    await here.set("long", 1, ms(3_600_000), tags=["tag"])
    await here.set("prolonged", 1, ms(1000), tags=["tag", "other"])
    await here.set("stale", 1, ms(1000), stale=HOUR, tags=["tag"])
    assert await there.expire("prolonged", HOUR)
    backend.clock.advance(milliseconds=3_599_000)
    await here.set("late", 1, ms(1), tags=["tag"])
    assert await there.get_many(["long", "prolonged"]) == {"long": 1, "prolonged": 1}
    assert await there.invalidate_tag("tag") == 3
    assert await here.get_many(["long", "prolonged", "late"]) == {}
    again = here.get_or_load("stale", Counted(), stale=HOUR)
    assert await within(again) == 1
    assert here.stats().stale_served == 0


@contract
async def test_a_slow_load_stays_within_reach_of_its_tag(backend: Backend) -> None:
    """Also when it takes longer than the value will live."""
    here, there = caches(backend)
    load = Gated()
    caller = asyncio.create_task(here.get_or_load("key", load, ms(100), tags=["tag"]))
    await within(load.began.wait())
    backend.clock.advance(seconds=4)
    load.go.set()
    assert await within(caller) == "loaded"
    assert await there.get("key") == "loaded"
    await there.invalidate_tag("tag")
    assert await here.get("key") is MISS


@contract
async def test_what_lost_its_tag_may_go_but_what_has_it_does(backend: Backend) -> None:
    """A value stored anew goes with the tags that it has now."""
    here, there = caches(backend)
    await here.set("key", 1, tags=["old"])
    await here.set("key", 2, tags=["new"])
    await there.invalidate_tag("new")
    assert await here.get("key") is MISS
    await here.set("key", 3, tags=["new"])
    await there.invalidate_tag("old")
    assert await here.get("key") in (3, MISS)


@contract
async def test_writes_with_a_tag_are_reached_whenever_they_came(backend: Backend) -> None:
    """A value that is there after an invalidation can be invalidated by the next."""
    both = caches(backend)

    async def act(number: int, cache: Cache) -> object:
        for turn in range(4):
            if number % 2:
                await cache.set(f"{turn}", number, tags=["tag"])
            else:
                await cache.invalidate_tag("tag")
        return None

    assert await within(all_at_once(both, act)) == [None] * 8
    await both[0].invalidate_tag("tag")
    assert await both[1].get_many(map(str, range(4))) == {}


@contract
async def test_what_a_write_with_a_tag_replaces_is_gone(backend: Backend) -> None:
    """Whatever befalls it: it is so slow that its lease ends, or another write overtakes it and
    dies, or fails.
    """
    here, there = caches(backend)

    async def wait() -> None:
        backend.clock.advance(seconds=LEASE.total_seconds() + 1)

    async def die() -> None:
        await there._entries.seize("key", "nobody's", LEASE // ms(1))

    async def fail() -> None:
        failing = before("register", failed, there)
        assert await raised_by(failing.set("key", "another", tags=["tag"])) is error

    async def failed() -> None:
        raise error

    error = StoreUnavailableError("it is a contract's")
    for act in (wait, die, fail):
        await here.set("key", "old", tags=["tag"])
        await before("register", act, here).set("key", "new", tags=["tag"])
        for cache in (here, there):
            assert await cache.get("key") in ("new", MISS)


@pytest.mark.parametrize("side", [before, after])
@pytest.mark.parametrize("step", ["seize", "register", "fill"])
@contract
async def test_a_write_that_was_cancelled_holds_up_no_load(
    backend: Backend, step: str, side: Callable[..., Cache]
) -> None:
    """Whichever step it was at, and whether or not the store had taken it."""
    here, there = caches(backend)
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(side(step, hang, here).set("key", 1, tags=["tag"]))
    await within(reached.wait())
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    async with asyncio.timeout(LEASE.total_seconds() - 1):
        assert await there.get_or_load("key", Counted()) == 1


@contract
async def test_what_is_cleared_is_counted_and_gone(backend: Backend) -> None:
    """Of whatever type, with tags or without; and the cache is as good as new."""
    here, there = caches(backend)
    await here.set_many({f"{n}": n for n in range(20)})
    await here.set("tagged", 1, tags=["tag"])
    await words(here).set("words", ("x",))
    assert await there.clear() == 22
    assert await here.get_many(["tagged", *map(str, range(20))]) == {}
    assert await there.clear() == 0
    await here.set("tagged", 2, tags=["tag"])
    assert await there.get("tagged") == 2
    assert await there.invalidate_tag("tag") == 1


@contract
async def test_who_failed_to_store_many_stores_nothing_afterwards(backend: Backend) -> None:
    """It is told when all of it has ended: what is deleted then stays so."""
    here, there = caches(backend)
    began, go = asyncio.Event(), asyncio.Event()

    async def act() -> None:
        if not began.is_set():
            began.set()
            raise StoreUnavailableError("nobody answers")
        await go.wait()

    storing = asyncio.create_task(before("put", act, here).set_many({"failing": 1, "late": 2}))
    await within(began.wait())
    await asyncio.wait({storing}, timeout=0.02)
    assert not await there.delete("late")
    go.set()
    assert isinstance(await raised_by(within(storing)), StoreUnavailableError)
    assert await there.delete("late")
    await asyncio.sleep(0.02)
    assert await there.get_many(["failing", "late"]) == {}
