"""A process that asks for permits: `python -m tests.redis.rate_caller URL TENANT`.

Tasks ask for one of each rule at the same moment. It prints, as JSON, the counts that those were
told who were admitted, by the rule's kind.
"""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

from adapters.redis.store import RedisStore
from domain.rates import calendar_window, fixed_window, gcra, sliding_window
from ports.stores import TenantScope

TASKS, LIMIT = 25, 10
LONG = timedelta(days=300)
RULES = [
    gcra(1, LONG / LIMIT, LIMIT),
    sliding_window(LIMIT, LONG),
    fixed_window(LIMIT, timedelta(days=399)),
    calendar_window(LIMIT, "year"),
]


async def told(url: str, tenant: Any) -> dict[str, list[int]]:
    """What one process was told."""
    store = await RedisStore.open(url)
    try:
        limits = TenantScope(tenant, runtime=store).rate_limits
        await store.check()
        print("ready", flush=True)
        sys.stdin.readline()
        counts = {}
        for rule in RULES:
            decisions = await asyncio.gather(*(limits.acquire("a", rule) for _ in range(TASKS)))
            counts[rule.kind] = [each.count for each in decisions if each.allowed]
        return counts
    finally:
        await store.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(told(*sys.argv[1:]))), flush=True)
