"""What a rate limiter decided, and how HTTP says it."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import attrs

from domain.errors import Fault, ValidationError
from domain.rates import RateRule

_SECOND = timedelta(seconds=1)
_NOTHING = timedelta()


@attrs.frozen
class RateLimitDecision:
    """Whether it may happen, by one rule, and how things stand now. A refusal counts as false."""

    rule: RateRule
    allowed: bool
    """Whether it may happen; if so, it is counted, otherwise nothing was."""

    count: int
    """The permits in use, with those just given. May be above the limit if things were counted
    without asking."""

    reset_after: timedelta
    """How long until nothing is in use, if nothing more comes: for windows, until the last permit
    no longer counts."""

    retry_after: timedelta | None
    """How long until the same call would be allowed, if nothing else comes; None if it was allowed
    or `never` is. Zero if other limits refused that were asked together with this one."""

    never: bool = False
    """Whether it was refused because it asked for more than the limit: that is never allowed."""

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def limit(self) -> int:
        """The most permits that can be had at once."""
        return self.rule.limit

    @property
    def remaining(self) -> int:
        """The permits that could be had at once, now."""
        return max(self.rule.limit - self.count, 0)

    def headers(self, name: str = "default") -> dict[str, str]:
        """As `rate_limit_headers`, for this decision alone."""
        return rate_limit_headers({name: self})


def most_restrictive(decisions: Iterable[RateLimitDecision]) -> RateLimitDecision:
    """The one that binds, of limits that were asked together.

    If they refused, that is the one which will for longest; otherwise the one that has the fewest
    permits left, and of those the one which takes longest to reset. It is allowed only if all are.

    Raises:
        ValidationError: if there are none.
    """
    found = list(decisions)
    if not found:
        raise ValidationError("RateLimitDecision", [Fault("", "there must be at least one")])
    return min(found, key=_room)


def _room(decision: RateLimitDecision) -> tuple[bool, bool, timedelta, int, timedelta]:
    wait = decision.retry_after or _NOTHING
    reset = -decision.reset_after
    return decision.allowed, not decision.never, -wait, decision.remaining, reset


def rate_limit_headers(decisions: Mapping[str, RateLimitDecision]) -> dict[str, str]:
    """The fields of an HTTP response that tell its client of limits, each by a name of its own.

    `RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-10 (a window that
    isn't always of one length has no `w`), and, if it was refused and not for ever, `Retry-After`
    (RFC 9110, section 10.2.3). Seconds are rounded up, so that who waits them has waited enough.

    Raises:
        ValidationError: for a name that isn't 1 to 64 printable ASCII characters without quotation
            marks and backslashes, and if there are no decisions.
    """
    binding = most_restrictive(decisions.values())
    policies, limits = [], []
    for name, decision in decisions.items():
        if not _is_quotable(name):
            raise ValidationError("rate_limit_headers", [Fault("name", "can't be quoted")])
        seconds = decision.rule.seconds
        window = "" if seconds is None else f";w={seconds}"
        policies.append(f'"{name}";q={decision.limit}{window}')
        limits.append(f'"{name}";r={decision.remaining};t={_seconds(decision.reset_after)}')
    fields = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}
    if binding.retry_after is not None:
        fields["Retry-After"] = str(_seconds(binding.retry_after))
    return fields


def _is_quotable(name: object) -> bool:
    """Whether it is a String of RFC 9651 without anything to be escaped."""
    if not isinstance(name, str) or not 1 <= len(name) <= 64 or not name.isascii():
        return False
    return name.isprintable() and not {'"', "\\"} & set(name)


def _seconds(duration: timedelta) -> int:
    return -(-duration // _SECOND)
