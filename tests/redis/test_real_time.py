"""Expiry as it is: by a server whose clock nobody moves. All else is tested on clocks that are."""

import asyncio
from datetime import timedelta

from adapters.redis.keys import tenant_pattern
from adapters.redis.store import RedisPorts
from adapters.redis.tracking import RedisUnsynchronised
from domain.executions import ExecutionState
from domain.identity import TenantId
from domain.rates import fixed_window
from ports.cache import MISS
from tests.redis.opening import opened, unused
from tests.valkey import Node

SECOND = timedelta(seconds=1)
ONCE = fixed_window(1, SECOND)
PATIENCE = 30


def test_what_lives_for_a_second_is_gone_after_it(shared: Node) -> None:
    """From every answer, and from the server; only what was to be remembered longer is left."""

    async def body() -> None:
        async with opened(shared.url) as client, asyncio.timeout(PATIENCE):
            tenant = TenantId(unused())
            ports = RedisPorts(tenant, client, RedisUnsynchronised(client))
            issued = await ports.sessions.create("ada", idle_timeout=SECOND, lifetime=2 * SECOND)
            await ports.executions.save(ExecutionState.draft("talk", ttl=SECOND), fencing_token=7)
            await ports.cache.set("key", "value", SECOND, tags=["tag"])
            await ports.rate_limits.increment("key", ONCE, 5)
            assert await ports.sessions.get(issued.token, touch=False) is not None
            assert await ports.executions.get("talk") is not None
            assert await ports.cache.get("key") == "value"
            while (  # noqa: ASYNC110  # a server sets no event when something ends
                await ports.sessions.get(issued.token, touch=False) is not None
                or await ports.executions.get("talk") is not None
                or await ports.cache.get("key") is not MISS
                or not (await ports.rate_limits.peek("key", ONCE)).allowed
            ):
                await asyncio.sleep(0.05)
            assert await ports.sessions.for_user("ada") == ()
            left = [name async for names in client.scan(tenant_pattern(tenant)) for name in names]
            kinds = {name.partition("}:")[2].partition(":")[0] for name in left}
            assert "session" not in kinds
            assert "execution" not in kinds
            for name in left:
                assert await client.execute("PTTL", name, key=name, writes=False) > 0

    asyncio.run(body())
