"""Rate limits: what is admitted, what is counted, and whose it is."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.decisions import most_restrictive
from domain.errors import ValidationError
from domain.rates import calendar_window, fixed_window, gcra, sliding_window
from ports.contracts.groups import Group
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.rates import (
    LONG,
    MAKERS,
    begin_an_hour,
    each_kind,
    fill,
    near,
    pass_time,
    rule_of,
    summary,
)
from ports.contracts.strategies import text
from ports.stores import TenantScope

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
CONFUSABLE = [
    *(
        "a",
        "A",
        "a:b",
        "a:",
        ":a",
        "b",
        "a:b:c",
        "a%3Ab",
        "a/b",
        "{a}",
        "a}",
        "*",
        "a*",
        " a",
        "a ",
    ),
    *("é", "e\u0301", "ﬁ", "fi", "a\nb", "😀", "a" * 512, "😀" * 512, "gcra-3-1", "a:gcra-3-1"),
]


@each_kind
@contract
async def test_as_many_as_the_limit_are_admitted_at_once(scope: TenantScope, kind: str) -> None:
    """And counted one by one; the next is refused, and told when to come again."""
    limits, rule = scope.rate_limits, rule_of(kind)
    admitted = [await limits.acquire("a", rule) for _ in range(3)]
    assert [(d.allowed, d.count, d.remaining, d.retry_after, d.never) for d in admitted] == [
        (True, 1, 2, None, False),
        (True, 2, 1, None, False),
        (True, 3, 0, None, False),
    ]
    refused = await limits.acquire("a", rule)
    assert (refused.allowed, refused.count, refused.remaining) == (False, 3, 0)
    assert (refused.limit, refused.rule, refused.never) == (3, rule, False)
    assert refused.retry_after is not None
    assert timedelta() < refused.retry_after <= refused.reset_after


@each_kind
@contract
async def test_a_cost_is_admitted_whole_or_not_at_all(scope: TenantScope, kind: str) -> None:
    """What is left is enough for a smaller one."""
    limits, rule = scope.rate_limits, rule_of(kind, 10)
    assert (await limits.acquire("a", rule, 7)).count == 7
    refused = await limits.acquire("a", rule, 4)
    assert (refused.allowed, refused.count, refused.remaining) == (False, 7, 3)
    last = await limits.acquire("a", rule, 3)
    assert (last.allowed, last.count, last.remaining) == (True, 10, 0)


@each_kind
@contract
async def test_a_refusal_spends_nothing(backend: Backend, scope: TenantScope, kind: str) -> None:
    """However often it is asked, it puts nothing off."""
    begin_an_hour(backend)
    limits, rule = scope.rate_limits, rule_of(kind, 3, 10 * SECOND)
    before = await limits.acquire("a", rule, 2)
    backend.clock.advance(milliseconds=200)
    for _ in range(5):
        assert not (await limits.acquire("a", rule, 2)).allowed
    after = await limits.peek("a", rule)
    assert (after.count, after.remaining) == (2, 1)
    assert near(backend, before.reset_after - after.reset_after, timedelta(milliseconds=200))
    assert (await limits.acquire("a", rule)).count == 3


@each_kind
@contract
async def test_a_cost_above_the_limit_is_never_allowed(scope: TenantScope, kind: str) -> None:
    """It is refused and says so, whether or not something is in use; nothing is spent."""
    limits, rule = scope.rate_limits, rule_of(kind)
    for count, remaining in ((0, 3), (1, 2)):
        refused = await limits.acquire("a", rule, 4)
        assert (refused.allowed, refused.never, refused.retry_after) == (False, True, None)
        assert (refused.count, refused.remaining) == (count, remaining)
        await limits.acquire("a", rule)
    assert (await limits.acquire("a", rule, 10**9)).never


@each_kind
@contract
async def test_a_peek_tells_whether_one_could_be_had(scope: TenantScope, kind: str) -> None:
    """And changes nothing."""
    limits, rule = scope.rate_limits, rule_of(kind, 2)
    for count in range(3):
        for _ in range(2):
            seen = await limits.peek("a", rule)
            assert (seen.allowed, seen.count, seen.remaining) == (count < 2, count, 2 - count)
            assert (seen.retry_after is None, seen.never) == (count < 2, False)
        if count < 2:
            await limits.acquire("a", rule)


@each_kind
@contract
async def test_what_happened_is_counted_beyond_the_limit(
    backend: Backend, scope: TenantScope, kind: str
) -> None:
    """Without asking; the decision is a peek's right after, and holds until enough was given back.

    With a bucket, what was overdrawn must be filled first.
    """
    begin_an_hour(backend)
    limits, rule = scope.rate_limits, rule_of(kind, 3, 10 * SECOND)
    assert summary(await limits.increment("a", rule, 2)) == summary(await limits.peek("a", rule))
    over = await limits.increment("a", rule, 6)
    assert (over.allowed, over.count, over.remaining, over.never) == (False, 8, 0, False)
    assert summary(over) == summary(await limits.acquire("a", rule))
    assert over.retry_after is not None
    pass_time(backend, over.retry_after)
    assert (await limits.acquire("a", rule)).allowed


@each_kind
@contract
async def test_what_is_counted_has_an_end(scope: TenantScope, kind: str) -> None:
    """The largest numbers that there are are counted exactly; beyond them, nothing is."""
    limits, rule = scope.rate_limits, rule_of(kind, 10**9)
    assert (await limits.acquire("a", rule, 10**9 - 1)).remaining == 1
    assert not (await limits.acquire("a", rule, 2)).allowed
    assert (await limits.acquire("a", rule)).remaining == 0
    for _ in range(3):
        over = await limits.increment("b", rule, 10**9)
    assert over.count in (3 * 10**9, 3 * 10**9 - 1)
    assert over.reset_after <= timedelta(days=3_650)


@contract
async def test_no_bucket_is_overdrawn_by_more_than_ten_years(
    backend: Backend, scope: TenantScope
) -> None:
    """However slowly it fills, and however much was counted."""
    rule = gcra(1, timedelta(days=400), 1)
    for count in (9, 10):
        over = await scope.rate_limits.increment("a", rule, 10**9)
        assert over.count == count
    assert near(backend, over.reset_after, timedelta(days=3_650))
    rule = gcra(1, timedelta(hours=1), 1)
    for _ in range(2):
        over = await scope.rate_limits.increment("a", rule, 10**9)
    assert over.count == 3_650 * 24
    assert near(backend, over.reset_after, timedelta(days=3_650))


@each_kind
@contract
async def test_a_reset_forgets_what_was_counted(scope: TenantScope, kind: str) -> None:
    """For that key and rule, and no other; what isn't there may be reset, too."""
    limits, rule, other = scope.rate_limits, rule_of(kind), rule_of(kind, 4)
    for key, each in (("a", rule), ("b", rule), ("a", other)):
        await fill(limits, key, each)
    for _ in range(2):
        await limits.reset("a", rule)
        seen = await limits.peek("a", rule)
        assert (seen.count, seen.reset_after) == (0, timedelta())
    assert (await limits.peek("b", rule)).count == 3
    assert (await limits.peek("a", other)).count == 4
    assert (await limits.acquire("a", rule)).count == 1


@contract
async def test_rules_with_other_numbers_count_apart(scope: TenantScope) -> None:
    """Under one key, each begins at nothing; equal rules are one, made twice or not."""
    limits = scope.rate_limits
    rules = [
        *(
            make(limit, window)
            for make in MAKERS.values()
            for limit in (3, 4)
            for window in (LONG,)
        ),
        gcra(3, LONG / 2, 3),
        sliding_window(3, LONG / 2),
        fixed_window(3, LONG / 2),
        calendar_window(3, "month", "Asia/Kolkata"),
        calendar_window(3, "year", "Asia/Tokyo"),
    ]
    for rule in rules:
        assert (await limits.acquire("a", rule)).count == 1
    again = sliding_window(3, timedelta(hours=LONG.days * 24))
    assert (await limits.acquire("a", again)).count == 2


@contract
async def test_keys_are_never_taken_for_each_other(backend: Backend) -> None:
    """Nor those of two tenants, whatever they look like together."""
    rule = sliding_window(10**6, LONG)
    base = backend.tenant()
    for tenant in (base, f"{base}:a", f"{base}.a"):
        limits = backend.scope(tenant).rate_limits
        for cost, key in enumerate(CONFUSABLE, 1):
            await limits.acquire(key, rule, cost)
        counts = [(await limits.peek(key, rule)).count for key in CONFUSABLE]
        assert counts == list(range(1, len(CONFUSABLE) + 1))
        await limits.reset("a", rule)
    assert (await backend.scope(base).rate_limits.peek("a:b", rule)).count == 3


@given(keys=st.lists(text(512, 1), min_size=2, max_size=4, unique=True))
@examples(0.5)
@contract
async def test_any_keys_count_apart(scope: TenantScope, keys: list[str]) -> None:
    """Each begins at nothing, and finds again what it counted."""
    rule = fixed_window(10, LONG)
    for _ in range(2):
        for key in keys:
            await scope.rate_limits.acquire(key, rule)
    assert {(await scope.rate_limits.peek(key, rule)).count for key in keys} == {2}


@contract
async def test_several_limits_are_taken_all_or_none(scope: TenantScope) -> None:
    """Of different keys, and of one key by several rules; a decision each, in the order asked."""
    limits = scope.rate_limits
    rules = [rule_of(kind, 5) for kind in MAKERS]
    demands = [("a", rule, 2) for rule in rules] + [("b", rules[0], 1)]
    taken = await limits.acquire_all(demands)
    assert [(d.rule, d.allowed, d.count) for d in taken] == [
        *((rule, True, 2) for rule in rules),
        (rules[0], True, 1),
    ]
    await limits.acquire("a", rules[1], 2)
    refused = await limits.acquire_all(demands)
    assert [(d.allowed, d.count) for d in refused] == [(False, n) for n in (2, 4, 2, 2, 1)]
    waits = [d.retry_after for d in refused]
    assert waits[:1] + waits[2:] == [timedelta()] * 4
    assert waits[1] is not None
    assert waits[1] > timedelta()
    assert most_restrictive(refused) is refused[1]
    for (key, rule, _), decision in zip(demands, refused, strict=True):
        assert (await limits.peek(key, rule)).count == decision.count


@contract
async def test_one_that_can_never_be_had_refuses_all(scope: TenantScope) -> None:
    """It alone is marked, and nothing is spent."""
    limits, small, large = scope.rate_limits, sliding_window(1, LONG), sliding_window(9, LONG)
    refused = await limits.acquire_all([("a", large, 2), ("a", small, 2)])
    assert [(d.allowed, d.never, d.count) for d in refused] == [
        (False, False, 0),
        (False, True, 0),
    ]
    assert most_restrictive(refused) is refused[1]
    assert (await limits.peek("a", large)).count == 0


@contract
async def test_a_hundred_limits_can_be_taken_at_once(scope: TenantScope) -> None:
    """And no more."""
    rule = gcra(1, LONG, 2)
    demands = [(f"{n}", rule, 1) for n in range(101)]
    assert all(d.allowed for d in await scope.rate_limits.acquire_all(demands[:100]))
    error = await raised_by(scope.rate_limits.acquire_all(demands))
    assert isinstance(error, ValidationError)


RULE: Any = sliding_window(3, LONG)
BAD_KEYS = ["", "a" * 513, "\x00", "a\x00", "\ud800", None, 1, b"a"]
BAD_COSTS = [0, -1, 10**9 + 1, 1.0, True, None, "1", float("nan")]
BAD_RULES = [None, "gcra", 3, (3, LONG), type(RULE)]


@contract
async def test_what_is_none_is_refused_and_changes_nothing(scope: TenantScope) -> None:
    """Keys, costs, rules and lists of demands."""
    limits: Any = scope.rate_limits
    await limits.acquire("a", RULE)
    asked = [
        *(limits.acquire(key, RULE) for key in BAD_KEYS),
        *(limits.peek(key, RULE) for key in BAD_KEYS),
        *(limits.reset(key, RULE) for key in BAD_KEYS),
        *(limits.acquire("a", RULE, cost) for cost in BAD_COSTS),
        *(limits.increment("a", RULE, cost) for cost in BAD_COSTS),
        *(limits.acquire("a", rule) for rule in BAD_RULES),
        *(limits.peek("a", rule) for rule in BAD_RULES),
        *(limits.acquire_all([("a", RULE, 1), ("b", RULE, cost)]) for cost in BAD_COSTS),
        *(limits.acquire_all([("a", RULE, 1), (key, RULE, 1)]) for key in BAD_KEYS),
        *(limits.acquire_all([("a", RULE, 1), ("b", rule, 1)]) for rule in BAD_RULES),
        *(limits.acquire_all(bad) for bad in ([], None, "ab", [("a", RULE)], ["a"], [None])),
        limits.acquire_all([("a", RULE, 1), ("a", sliding_window(3, LONG), 1)]),
    ]
    errors = [await raised_by(each) for each in asked]
    assert [type(error) for error in errors] == [ValidationError] * len(asked)
    assert (await limits.peek("a", RULE)).count == 1


@each_kind
@contract
async def test_a_clients_clock_decides_nothing(backend: Backend, kind: str) -> None:
    """One that is five seconds ahead sees the same count, and the same waits."""
    begin_an_hour(backend)
    here, there = backend.rivals()
    rule = rule_of(kind, 3, 2 * SECOND)
    await fill(here.rate_limits, "a", rule)
    seen, other = await here.rate_limits.peek("a", rule), await there.rate_limits.peek("a", rule)
    assert summary(seen) == summary(other)
    assert near(backend, seen.reset_after, other.reset_after)
    refused = await there.rate_limits.acquire("a", rule)
    assert not refused.allowed
    assert refused.retry_after is not None
    pass_time(backend, refused.retry_after)
    assert (await there.rate_limits.acquire("a", rule)).allowed
    assert (await here.rate_limits.peek("a", rule)).remaining in (0, 2)


@each_kind
@contract
async def test_a_clock_that_is_put_back_gives_nothing_away(
    backend: Backend, scope: TenantScope, kind: str
) -> None:
    """What was used is in use until the same time comes again, and no dearer than it was."""
    begin_an_hour(backend)
    limits, rule = scope.rate_limits, rule_of(kind, 3, 10 * SECOND)
    await limits.acquire("a", rule, 2)
    present = backend.clock.now()
    backend.clock.set(present - 2 * SECOND)  # into a window before
    try:
        third = await limits.acquire("a", rule)
        assert (third.allowed, third.count) == (True, 3)
        refused = await limits.acquire("a", rule)
        assert (refused.allowed, refused.count) == (False, 3)
        assert refused.retry_after is not None
        pass_time(backend, refused.retry_after, less=2 * MILLISECOND)
        assert not (await limits.acquire("a", rule)).allowed
        backend.clock.advance(milliseconds=3)
        assert (await limits.acquire("a", rule)).allowed
    finally:
        backend.clock.set(max(backend.clock.now(), present))


@each_kind
@contract
async def test_what_is_as_good_as_nothing_is_gone(
    backend: Backend, scope: TenantScope, kind: str
) -> None:
    """After its time, a limit that nobody uses takes no room; nor does a refusal, or a look."""
    begin_an_hour(backend)
    limits, rule = scope.rate_limits, rule_of(kind, 3, 10 * SECOND)
    maintenance: Any = backend.instances[0].store(Group.RUNTIME).maintenance()

    async def is_kept() -> bool:
        return scope.tenant in [tenant async for tenant in maintenance.tenants()]

    await limits.peek("a", rule)
    await limits.acquire("a", rule, 4)
    assert not await is_kept()
    await limits.acquire("a", rule)
    backend.clock.advance(milliseconds=100)
    taken = await limits.acquire("a", rule)
    pass_time(backend, taken.reset_after, less=2 * MILLISECOND)
    assert await is_kept()
    backend.clock.advance(milliseconds=5)
    assert not await is_kept()
    assert (await limits.peek("a", rule)).count == 0
