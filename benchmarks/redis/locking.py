"""Rows of locks that are free: taken and given back."""

from datetime import timedelta

from benchmarks.figures import Figure
from benchmarks.redis.comparing import PLAIN, Way, measured
from benchmarks.redis.place import Place
from benchmarks.scale import Scale

_TTL = timedelta(seconds=30)
_NAMES = 500


async def rows(place: Place, scale: Scale) -> list[Figure]:
    """The round trip, beside that of redis-py's own lock, which renews nothing, has no fencing
    token and keeps no line.
    """
    locks, plain = place.ours.locks, place.plain
    names = [place.key("lock", number) for number in range(_NAMES)]

    async def ours(name: str) -> None:
        async with locks.hold(name, ttl=_TTL):
            pass

    async def theirs(name: str) -> None:
        async with plain.lock(name, timeout=_TTL.total_seconds()):
            pass

    return await measured(
        scale, "lock", Way(ours, names), {PLAIN: Way(theirs, names)}, operations=20, each=2
    )
