"""Rows of the cache: hits. What is stored is the same to everybody, each in its own encoding."""

from typing import Any

import orjson

from benchmarks.figures import Figure
from benchmarks.redis.comparing import PLAIN, Way, measured
from benchmarks.redis.peers import TTL
from benchmarks.redis.place import Place
from benchmarks.redis.sessions import content
from benchmarks.scale import Scale

_KEYS = 500


async def rows(place: Place, scale: Scale) -> list[Figure]:
    """A look-up, and one that would load what isn't there."""
    cache, plain, cashews, aiocache = place.ours.cache, place.plain, place.cashews, place.aiocache
    names, own = [], {}
    for number in range(_KEYS):
        name, value = place.key("cached", number), content(number)
        names.append(name)
        own[name] = {who: f"{name}:{who}" for who in ("redis-py", "cashews", "aiocache")}
        await cache.set(name, value)
        await plain.set(own[name]["redis-py"], orjson.dumps(value), ex=TTL)
        await cashews.cache.set(own[name]["cashews"], value, expire=TTL)
        await aiocache.cache.set(own[name]["aiocache"], value, ttl=TTL)

    async def get_or_load(name: str) -> Any:
        return await cache.get_or_load(name, _never)

    def of(who: str) -> list[str]:
        return [own[name][who] for name in names]

    by_hand = Way(plain.get, of("redis-py"))
    return [
        *await measured(
            scale,
            "cache get",
            Way(cache.get, names),
            {
                PLAIN: by_hand,
                "cashews": Way(cashews.cache.get, of("cashews")),
                "aiocache": Way(aiocache.cache.get, of("aiocache")),
            },
        ),
        *await measured(
            scale,
            "cache get_or_load",
            Way(get_or_load, names),
            {
                PLAIN: by_hand,
                "cashews, decorated": Way(cashews.load, of("cashews")),
                "aiocache, decorated": Way(aiocache.load, of("aiocache")),
            },
        ),
    ]


async def _never() -> Any:
    raise AssertionError("it is in the cache")
