"""Values at hand: as fresh as they are said to be, and no longer there than they should."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.local.cache import LocalEntries, at_hand
from adapters.memory import MemoryRuntimeStore
from adapters.memory.clock import ManualClock
from domain.errors import ValidationError
from domain.identity import tenant_id
from ports.cache import MISS, Cache
from ports.cache_entries import CacheEntries, Found

SECOND = timedelta(seconds=1)


class World:
    """One tenant's cache, the same at hand in two processes, and a clock for all of them."""

    def __init__(self, *, max_entries: int = 100) -> None:
        self.clock = ManualClock()
        self.far = MemoryRuntimeStore(clock=self.clock).repositories(tenant_id("acme")).cache
        self.reads = 0
        counted = self.far.through(lambda entries: self.counting(entries))
        self.here, self.there = (
            at_hand(
                counted, max_staleness=SECOND, max_entries=max_entries, monotonic=self.monotonic
            )
            for _ in range(2)
        )

    def counting(self, entries: CacheEntries) -> CacheEntries:
        """The entries, with each look counted."""
        look = entries.look

        async def looked(key: str, size: int | None = None) -> Found | None:
            self.reads += 1
            return await look(key, size)

        entries.look = looked  # type: ignore[method-assign]  # for this one alone
        return entries

    def monotonic(self) -> float:
        """The processes' clock."""
        return self.clock.now().timestamp()


def run(story: Callable[[World], Awaitable[None]], world: World | None = None) -> None:
    """Let it happen."""

    async def happen() -> None:
        await story(world or World())

    asyncio.run(happen())


def test_a_value_is_read_once_and_seen_within_the_bound() -> None:
    """What others write is seen when the bound has passed, and not asked for before."""

    async def story(world: World) -> None:
        await world.far.set("key", "old")
        assert [await world.here.get("key") for _ in range(5)] == ["old"] * 5
        assert world.reads == 1
        await world.there.set("key", "new")
        assert (await world.here.get("key"), await world.there.get("key")) == ("old", "new")
        world.clock.advance(timedelta(milliseconds=999))
        assert await world.here.get("key") == "old"
        world.clock.advance(timedelta(milliseconds=1))
        assert await world.here.get("key") == "new"

    run(story)


CHANGES: dict[str, Callable[[Cache], Awaitable[object]]] = {
    "set": lambda cache: cache.set("key", "new"),
    "set with tags": lambda cache: cache.set("key", "new", tags=["other"]),
    "delete": lambda cache: cache.delete("key"),
    "expire": lambda cache: cache.expire("key", timedelta(milliseconds=1)),
    "invalidate_tag": lambda cache: cache.invalidate_tag("tag"),
    "clear": lambda cache: cache.clear(),
}


@pytest.mark.parametrize("way", CHANGES)
def test_own_changes_are_seen_at_once(way: str) -> None:
    """Whatever changes a value through the same cache; others see it within the bound."""

    async def story(world: World) -> None:
        await world.far.set("key", "old", tags=["tag"])
        assert (await world.here.get("key"), await world.there.get("key")) == ("old", "old")
        await CHANGES[way](world.here)
        world.clock.advance(timedelta(milliseconds=2))
        expected = "new" if "set" in way else MISS
        assert await world.here.get("key") == expected
        assert await world.there.get("key") == "old"
        world.clock.advance(SECOND)
        assert await world.there.get("key") == expected

    run(story)


def test_a_value_is_never_served_past_its_end() -> None:
    """However long it might be at hand."""

    async def story(world: World) -> None:
        await world.far.set("key", 1, timedelta(milliseconds=500))
        world.clock.advance(timedelta(milliseconds=100))
        assert await world.here.get("key") == 1
        world.clock.advance(timedelta(milliseconds=300))
        left = await world.here.ttl("key")
        assert left is not None
        assert timedelta(milliseconds=99) <= left <= timedelta(milliseconds=100)
        world.clock.advance(timedelta(milliseconds=101))
        assert await world.here.get("key") is MISS

    run(story)


def test_a_value_at_hand_goes_stale_when_it_should() -> None:
    """Its stale part is served as such, and starts a refresh."""

    async def story(world: World) -> None:
        async def load() -> str:
            return "new"

        await world.far.set("key", "old", timedelta(milliseconds=500), stale=SECOND)
        assert await world.here.get("key") == "old"
        world.clock.advance(timedelta(milliseconds=505))
        assert await world.here.get("key") is MISS
        assert await world.here.get_or_load("key", load, stale=SECOND) == "old"
        await asyncio.sleep(0.01)
        assert await world.here.get("key") == "new"

    run(story)


def test_what_is_asked_for_least_goes_first() -> None:
    """So that there are never more than were allowed."""

    async def story(world: World) -> None:
        await world.far.set_many({f"{n}": n for n in range(4)})
        for key in ("0", "1", "2", "0", "3"):
            await world.here.get(key)
        assert world.reads == 4
        await world.here.get("0")
        assert world.reads == 4
        await world.here.get("1")
        assert world.reads == 5

    run(story, World(max_entries=3))


def test_a_read_that_was_overtaken_by_an_own_write_is_not_kept() -> None:
    """Nor one whose answer came after the write, though it was read before."""

    async def story(world: World) -> None:
        await world.far.set("key", "old")
        gate = asyncio.Event()

        def slow(entries: CacheEntries) -> CacheEntries:
            look = entries.look

            async def looked(key: str, size: int | None = None) -> Found | None:
                found = await look(key, size)
                await gate.wait()
                return found

            entries.look = looked  # type: ignore[method-assign]  # for this one alone
            return LocalEntries(entries, SECOND, 10, world.monotonic)

        cache = world.far.through(slow)
        reading: asyncio.Task[Any] = asyncio.create_task(cache.get("key"))
        await asyncio.sleep(0)
        await cache.set("key", "new")
        gate.set()
        assert await reading == "old"
        assert await cache.get("key") == "new"

    run(story)


def test_what_is_loaded_is_shared_and_then_at_hand() -> None:
    """By both processes, with one load."""

    async def story(world: World) -> None:
        loads = []

        async def load() -> int:
            loads.append(1)
            await asyncio.sleep(0)
            return len(loads)

        calls = (cache.get_or_load("key", load) for cache in (world.here, world.there) * 10)
        assert await asyncio.gather(*calls) == [1] * 20
        assert await world.here.get("key") == 1
        before = world.reads
        assert await world.here.get_or_load("key", load) == 1
        assert (world.reads, len(loads)) == (before, 1)

    run(story)


def test_a_refresh_ends_with_the_store() -> None:
    """Like those that begin in the store's own cache."""

    async def story() -> None:
        store, ended = MemoryRuntimeStore(), asyncio.Event()
        cache = at_hand(store.repositories(tenant_id("acme")).cache)
        await cache.set("key", 1, timedelta(milliseconds=1), stale=SECOND)
        while await cache.exists("key"):  # noqa: ASYNC110  # until it is stale
            await asyncio.sleep(0.001)

        async def load() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        assert await cache.get_or_load("key", load, stale=SECOND) == 1
        await asyncio.sleep(0)
        await store.close()
        assert ended.is_set()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())


def test_bounds_that_are_none_are_refused() -> None:
    """None of them is taken for without bound."""
    cache = MemoryRuntimeStore().repositories(tenant_id("acme")).cache
    wrong: list[dict[str, Any]] = [{"max_entries": n} for n in (0, -1, True, 1.5, None)]
    wrong += [{"max_staleness": n} for n in (timedelta(0), timedelta(days=1), 1, None)]
    for named in wrong:
        with pytest.raises(ValidationError):
            at_hand(cache, **named)
