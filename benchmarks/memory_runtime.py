"""Rows of what lives for a while, in memory: operations a second, and what a hundredfold of keys
changes.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs

from adapters.memory.runtime import MemoryRuntimeStore
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, One, in_turns, shared_out
from benchmarks.memory import per_second
from benchmarks.scale import Scale
from domain.identity import tenant_id
from domain.rates import gcra
from ports.runtime import RuntimePorts

_TENANT = tenant_id("bench")
_DAY = timedelta(days=1)
# So many that none is refused, and so slow that none is given back while it is measured.
_RULE = gcra(1_000_000, _DAY, 1_000_000)


@attrs.define
class _Filled:
    """So many keys of one port, in a store by itself, and what is done with each."""

    one: One
    keys: Sequence[str]
    _turn: int = attrs.field(default=0, init=False)

    def some(self, count: int) -> list[str]:
        """`count` of them from all over, others at each call."""
        self._turn += 1
        size = len(self.keys)
        step = max(size // count, 1)
        places = range(self._turn, self._turn + count * step, step)
        return [self.keys[place % size] for place in places]

    def contender(self, count: int) -> Contender:
        """Called by how many they are."""
        return shared_out(
            str(len(self.keys)), self.one, prepare=lambda: self.some(count), operations=count
        )


async def rows(scale: Scale) -> list[Figure]:
    """Each operation, at both sizes."""
    figures: list[Figure] = []
    few, many = scale.in_memory
    for name, fill in _OPERATIONS.items():
        count = scale.operations(100)
        filled = [
            await fill(MemoryRuntimeStore().repositories(_TENANT), size) for size in (few, many)
        ]
        rounds = await in_turns([each.contender(count) for each in filled], scale.few)
        figures += per_second(rounds, name, "keys", few, many)
    return figures


async def _sessions(ports: RuntimePorts, size: int) -> _Filled:
    issued = [
        await ports.sessions.create(f"user-{number}", idle_timeout=_DAY) for number in range(size)
    ]
    return _Filled(ports.sessions.get, [one.token for one in issued])


async def _limits(ports: RuntimePorts, size: int) -> _Filled:
    keys = [f"user-{number}" for number in range(size)]

    async def acquire(key: str) -> Any:
        return await ports.rate_limits.acquire(key, _RULE)

    for key in keys:
        await acquire(key)
    return _Filled(acquire, keys)


async def _cache(ports: RuntimePorts, size: int) -> _Filled:
    keys = [f"key-{number}" for number in range(size)]
    for key in keys:
        await ports.cache.set(key, {"intent": "return_order", "slots": {"pieces": 2}}, _DAY)
    return _Filled(ports.cache.get, keys)


_OPERATIONS: dict[str, Callable[[RuntimePorts, int], Awaitable[_Filled]]] = {
    "session get": _sessions,
    "limiter": _limits,
    "cache get": _cache,
}
