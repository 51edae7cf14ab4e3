"""Rate limits in Redis: one script, by the server's clock."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from adapters.redis.client import Argument, Client
from adapters.redis.keys import key as key_name
from adapters.redis.scripts import Script
from domain.identity import TenantId
from domain.rates import CalendarWindow, Gcra, RateRule, WindowRule
from ports.calendars import boundaries, known_boundaries
from ports.gate import OPEN, Admission, Gate
from ports.rate_limits import Answer, Demand, Purpose, RateLimiter, most_at_once

_TAG: Final = "limits"
_KIND: Final = "rate"
RULES: Final = "rate-rules"
_DECIDE: Final = Script.named("rate_limits")
_LOOK: Final = Script(_DECIDE.source, writes=False)


@lru_cache(maxsize=10_000)
def _named(tenant: TenantId, key: str, rule: str) -> str:
    return key_name(tenant, _TAG, _KIND, key, rule)


@lru_cache(maxsize=4_096)
def rules_key(tenant: TenantId) -> str:
    """The name of a key that tells by which rules something is counted, for a tenant."""
    return key_name(tenant, _TAG, RULES)


async def counts_of(client: Client, tenant: TenantId, key: str) -> Sequence[str]:
    """The names that the counts under a key may have, by whatever rules there are."""
    told = rules_key(tenant)
    rules = await client.execute("ZRANGE", told, 0, -1, key=told, writes=False)
    start = key_name(tenant, _TAG, _KIND, key)
    return [f"{start}:{rule.decode()}" for rule in rules]


def _terms(rule: RateRule, permits: int) -> tuple[Argument, ...]:
    """What the script is told of one limit. Of calendars, what was right last."""
    if isinstance(rule, Gcra):
        return "gcra", most_at_once(rule, permits), rule.burst, rule.interval
    if isinstance(rule, CalendarWindow):
        known = known_boundaries(rule) or boundaries(rule, 0)
        return "calendar", permits, rule.limit, len(known), *known
    assert isinstance(rule, WindowRule)
    return "window", permits, rule.limit, rule.part, rule.kept


class RedisRateLimiter(RateLimiter):
    """No client's clock is read: calendars are computed for the time that the server shows."""

    def __init__(self, tenant: TenantId, client: Client, gate: Gate = OPEN) -> None:
        self._admission = Admission(tenant, gate)
        self._tenant = tenant
        self._client = client

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        keys = [_named(self._tenant, key, rule.name) for key, rule, _ in demands]
        keys.append(rules_key(self._tenant))
        script = _LOOK if purpose is Purpose.PEEK else _DECIDE
        while True:
            arguments: list[Argument] = [purpose]
            for _, rule, permits in demands:
                arguments += _terms(rule, permits)
            found = await self._client.run(script, keys, arguments)
            if isinstance(found, list):
                break
            for _, rule, _ in demands:
                if isinstance(rule, CalendarWindow):
                    boundaries(rule, found)
        return [(found[at], found[at + 1], found[at + 2]) for at in range(0, len(found), 3)]

    async def _reset(self, key: str, rule: RateRule) -> None:
        name = _named(self._tenant, key, rule.name)
        await self._client.execute("DEL", name, key=name, writes=True)
