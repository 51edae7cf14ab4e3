"""Rate limits that race: exactly as many are admitted as the rule says, and none is lost."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from domain.decisions import RateLimitDecision
from domain.rates import RateRule, calendar_window, sliding_window
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.harness import Backend, contract
from ports.contracts.rates import LONG, MAKERS, each_kind, rule_of
from ports.stores import TenantScope

CALLERS = 100


async def admitted(
    scopes: Sequence[TenantScope], rule: RateRule, callers: int = CALLERS, cost: int = 1
) -> list[RateLimitDecision]:
    """Of callers that ask at the same moment, what those were told who are admitted."""

    def act(_: int, scope: TenantScope) -> Coroutine[Any, Any, RateLimitDecision]:
        return scope.rate_limits.acquire("a", rule, cost)

    told, failed = split(await all_at_once(scopes, act, callers))
    assert failed == []
    return [decision for decision in told if decision.allowed]


@each_kind
@contract
async def test_of_many_callers_as_many_as_the_limit_are_admitted(
    backend: Backend, kind: str
) -> None:
    """A hundred of two instances that were never asked before; no two are told the same count."""
    async with backend.opened() as instances:
        tenant = backend.tenant()
        scopes = [instance.scope(tenant) for instance in instances]
        told = await admitted(scopes, rule_of(kind, 10))
    assert sorted(decision.count for decision in told) == list(range(1, 11))


@each_kind
@contract
async def test_calls_of_the_same_moment_all_count(backend: Backend, kind: str) -> None:
    """Forty while the clock stands still are forty, and the next is refused."""
    scopes = backend.rivals()
    rule = rule_of(kind, 40)
    told = await admitted(scopes, rule, 40)
    assert sorted(decision.count for decision in told) == list(range(1, 41))
    assert not (await scopes[0].rate_limits.acquire("a", rule)).allowed


@each_kind
@contract
async def test_costs_are_admitted_whole(backend: Backend, kind: str) -> None:
    """Of many that ask for three of ten, three; one is left."""
    scopes = backend.rivals()
    rule = rule_of(kind, 10)
    assert len(await admitted(scopes, rule, cost=3)) == 3
    assert (await scopes[1].rate_limits.peek("a", rule)).remaining == 1


@contract
async def test_sets_of_limits_are_taken_whole(backend: Backend) -> None:
    """Asked for in whatever order, by many: nobody waits, and no set is taken in part."""
    scopes = backend.rivals()
    demands = [(f"{n}", rule_of(kind, 10), 1) for n, kind in enumerate(MAKERS)]
    scarce = ("scarce", sliding_window(7, LONG), 1)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        asked = [*demands, scarce] if number % 4 < 2 else [scarce, *reversed(demands)]
        return scope.rate_limits.acquire_all(asked)

    told, failed = split(await all_at_once(scopes, act, 40))
    assert failed == []
    assert sorted(sum(d.allowed for d in each) for each in told) == [0] * 33 + [5] * 7
    for key, rule, _ in (*demands, scarce):
        assert (await scopes[0].rate_limits.peek(key, rule)).count == 7


@each_kind
@contract
async def test_nothing_that_is_counted_is_lost(backend: Backend, kind: str) -> None:
    """Of many increments, while others ask and are refused."""
    scopes = backend.rivals()
    rule = rule_of(kind, 10)
    await scopes[0].rate_limits.increment("a", rule, 10)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, RateLimitDecision]:
        if number // 2 % 2:
            return scope.rate_limits.acquire("a", rule)
        return scope.rate_limits.increment("a", rule, 2)

    told, failed = split(await all_at_once(scopes, act, 40))
    assert failed == []
    assert not any(decision.allowed for decision in told)
    assert (await scopes[0].rate_limits.peek("a", rule)).count == 50


@contract
async def test_tenants_limits_do_not_meet(backend: Backend) -> None:
    """Asked for at the same moment under the same key, each tenant has all of its own."""
    rule = calendar_window(5, "year")
    pairs = [backend.rivals() for _ in range(4)]
    told = await asyncio.gather(*(admitted(scopes, rule, 20) for scopes in pairs))
    assert [len(each) for each in told] == [5] * 4
