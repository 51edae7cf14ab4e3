"""Rows of the rate limiter, by rule: permits that are there are used."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from limits import RateLimitItemPerMinute

from adapters.redis.scripts import Script
from benchmarks.figures import Figure
from benchmarks.measuring import One
from benchmarks.redis.comparing import GOAL_CROWD, PLAIN, Way, measured, on_each
from benchmarks.redis.place import Place
from benchmarks.scale import Scale
from domain.rates import Gcra, RateRule, WindowRule, fixed_window, gcra, sliding_window

GOAL_ALONE = 1.0
PEER = "limits"
_MINUTE = timedelta(minutes=1)
# Plenty: a refusal costs less, and who is measured longer would get more of them.
_PERMITS = 6_000
_KEYS = 500
_SCRIPT = Script.named("rate_limits")


async def rows(place: Place, scale: Scale) -> list[Figure]:
    """Each kind of rule, beside whatever `limits` has that comes nearest to it."""
    item = RateLimitItemPerMinute(_PERMITS)
    moving, sliding, fixed = (
        place.limits.hit(limiter, item)
        for limiter in (place.limits.moving, place.limits.sliding, place.limits.fixed)
    )
    rules: Sequence[tuple[str, RateRule, Mapping[str, One]]] = [
        ("gcra", gcra(_PERMITS, _MINUTE, _PERMITS), {"moving window": moving}),
        (
            "sliding window",
            sliding_window(_PERMITS, _MINUTE),
            {"moving window": moving, "sliding counter": sliding},
        ),
        ("fixed window", fixed_window(_PERMITS, _MINUTE), {"fixed window": fixed}),
    ]
    await place.plain.script_load(_SCRIPT.source)
    figures: list[Figure] = []
    for name, rule, peers in rules:
        figures += await _row(place, scale, name, rule, peers)
    return figures


async def _row(
    place: Place, scale: Scale, name: str, rule: RateRule, peers: Mapping[str, One]
) -> list[Figure]:
    limiter, users = place.ours.rate_limits, [f"user-{number}" for number in range(_KEYS)]

    async def acquire(user: str) -> None:
        if not (await limiter.acquire(user, rule)).allowed:
            raise AssertionError("no permit is left")

    others = {PLAIN: Way(on_each(place.plain.evalsha), _calls(place, users, rule))}
    for kind, hit in peers.items():
        others[f"{PEER}, {kind}"] = Way(
            hit, [f"{name}:{user}" for user in users], GOAL_ALONE, GOAL_CROWD
        )
    return await measured(scale, f"limiter, {name}", Way(acquire, users), others)


def _calls(place: Place, users: Sequence[str], rule: RateRule) -> list[tuple[Any, ...]]:
    """Our script, as redis-py's EVALSHA is given it: what our way of sending alone gains."""
    told = ("acquire", *_told(rule))
    keys = [place.key("limits", "rate", user, rule.name) for user in users]
    rules = place.key("limits", "rate-rules")
    return [(_SCRIPT.sha, 2, named, rules, *told) for named in keys]


def _told(rule: RateRule) -> tuple[Any, ...]:
    if isinstance(rule, Gcra):
        return "gcra", 1, rule.burst, rule.interval
    assert isinstance(rule, WindowRule)
    return "window", 1, rule.limit, rule.part, rule.kept
