"""What the Redis limiter asks of its server."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from adapters.redis.client import Argument, Client, Reply
from adapters.redis.rate_limits import RedisRateLimiter, counts_of, rules_key
from adapters.redis.scripts import Script
from domain.identity import TenantId
from domain.rates import calendar_window, fixed_window, gcra, sliding_window
from ports.rate_limits import RateLimiter
from tests.redis.opening import opened
from tests.valkey import real_server

HOUR = timedelta(hours=1)
RULES = [gcra(10, HOUR, 5), sliding_window(5, HOUR), fixed_window(5, HOUR)]


def trips_of(act: Callable[[RateLimiter], Coroutine[Any, Any, Any]]) -> tuple[int, dict[str, int]]:
    """How often the server was asked, and how long each key lives on, in milliseconds, by the first
    of what its name says.
    """

    async def counted() -> tuple[int, dict[str, int]]:
        with real_server() as node:
            async with opened(node.url) as client:
                trips = 0
                sound, plain = client.run, client.execute

                async def run(
                    script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()
                ) -> Reply:
                    nonlocal trips
                    trips += 1
                    return await sound(script, keys, arguments)

                async def execute(*command: Argument, key: str, writes: bool) -> Reply:
                    nonlocal trips
                    trips += 1
                    return await plain(*command, key=key, writes=writes)

                vars(client)["run"], vars(client)["execute"] = run, execute
                await act(RedisRateLimiter(TenantId(f"t-{uuid4()}"), client))
                return trips, await lives(client)

    async def lives(client: Client) -> dict[str, int]:
        names = [name async for batch in client.scan("*") for name in batch]
        told = [name.partition("}:")[2].split(":") for name in names]
        return {
            (of[1:] or of)[0]: await client.execute("PTTL", name, key=name, writes=False)
            for name, of in zip(names, told, strict=True)
        }

    return asyncio.run(counted())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_each_call_is_one_round_trip(rule: Any) -> None:
    """Whatever it comes to."""

    async def act(limits: RateLimiter) -> None:
        await limits.peek("a", rule)
        await limits.acquire("a", rule, 5)
        await limits.acquire("a", rule)
        await limits.increment("a", rule)
        await limits.acquire_all([("b", each, 1) for each in RULES])
        await limits.reset("b", rule)

    assert trips_of(act)[0] == 6


def test_a_process_asks_once_more_for_a_calendar_that_it_does_not_know() -> None:
    """For all limits that were asked together; from then on it knows."""

    async def act(limits: RateLimiter) -> None:
        rules = [calendar_window(1_234_567, unit, "Indian/Chagos") for unit in ("day", "week")]
        for _ in range(3):
            await limits.acquire_all([("a", rule, 1) for rule in rules])

    assert trips_of(act)[0] == 4


def test_every_key_lives_as_long_as_it_counts() -> None:
    """And hardly longer."""

    async def act(limits: RateLimiter) -> None:
        await limits.acquire("bucket", gcra(1, HOUR, 5), 5)
        await limits.acquire("sliding", sliding_window(5, 5 * HOUR), 5)
        await limits.increment("month", calendar_window(5, "month"), 500)

    _, lives = trips_of(act)
    bucket, sliding, month = (lives[name] for name in ("bucket", "sliding", "month"))
    assert 4.9 * 3_600_000 < bucket <= 5 * 3_600_000 + 1
    assert bucket <= sliding <= 5.1 * 3_600_000 + 1
    assert 0 < month <= 31 * 24 * 3_600_000 + 1
    assert max(bucket, sliding, month) <= lives["rate-rules"] <= 62 * 24 * 3_600_000 + 1


def test_rules_are_known_for_as_long_as_something_is_counted_by_them() -> None:
    """Also of one that is used again when it was about to be forgotten; then those that nobody uses
    any more are.
    """

    async def told() -> list[str]:
        with real_server() as node:
            async with opened(node.url) as client:
                tenant = TenantId(f"t-{uuid4()}")
                limits, known = RedisRateLimiter(tenant, client), rules_key(tenant)
                for rule in RULES[:2]:
                    await limits.acquire("ada", rule)
                    command = ("ZADD", known, 1, rule.name)  # as if that were long ago
                    await client.execute(*command, key=known, writes=True)
                await limits.acquire("bob", RULES[1])
                return list(await counts_of(client, tenant, "ada"))

    (left,) = asyncio.run(told())
    assert left.endswith(f":ada:{quote(RULES[1].name)}")
