"""How long things are kept: the one place that says so.

| what | kept |
| --- | --- |
| conversations, with their messages and contexts | until their own `retain_until`; without one, for `conversations` after they ended |
| active conversations in which nothing happens | open for `idle`, then timed out; not deleted by that |
| calls of integrations, in their log | for `integration_calls`; what was counted of them stays |
| entries of the audit trail | for `audit`, the oldest first; the rest of the chain can still be verified |
| analytics events | for `analytics`; the store no longer shows an older one |
| flows, their versions and daily figures; experiments, assignments, outcomes; integrations | until they are deleted: results and figures are made of them |
| sessions, execution states, rate limits, cached values, locks | until they expire; the store does it by itself |
| changes that consumers are to be told of | until they were told |
| keys under which figures were added to flows | for `metric_keys`: what comes again later counts again |
| tombstones of who was erased | until their own `until` |

A duration that is None is for ever. What has a `retain_until` no setting touches but `idle`, which
deletes nothing: a time far ahead holds a conversation, whatever is set here.
"""  # noqa: E501  # a table

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import attrs
from attrs import field, frozen

from domain.durations import MILLISECOND, duration
from domain.frozen import FrozenDict
from domain.rules import Value, optional, rule

_DURATION = optional(duration(MILLISECOND, timedelta(days=36_500)))


class Swept(StrEnum):
    """What a sweep looks for, in the order in which it does."""

    IDLE_CONVERSATIONS = "idle_conversations"
    """Active ones in which nothing happened for too long: timed out."""
    EXPIRED_CONVERSATIONS = "expired_conversations"
    """Those whose `retain_until` has come, whatever their status: deleted."""
    ENDED_CONVERSATIONS = "ended_conversations"
    """Those without a `retain_until` that ended too long ago: deleted. One that is closed and
    doesn't say since when stays."""
    INTEGRATION_CALLS = "integration_calls"
    AUDIT_ENTRIES = "audit_entries"
    ANALYTICS_EVENTS = "analytics_events"
    METRIC_KEYS = "metric_keys"
    """Idempotency keys of flows' figures."""
    TOMBSTONES = "tombstones"
    """Those whose `until` has passed; they refuse nothing any more."""


@frozen(kw_only=True, slots=False)
class Retention(Value):
    """How long what has no time of its own is kept; None: for ever.

    Raises:
        ValidationError: naming each that isn't a duration of whole milliseconds, up to a century.
    """

    conversations: timedelta | None = field(default=None, metadata=rule(_DURATION))
    idle: timedelta | None = field(default=None, metadata=rule(_DURATION))
    integration_calls: timedelta | None = field(default=None, metadata=rule(_DURATION))
    audit: timedelta | None = field(default=None, metadata=rule(_DURATION))
    analytics: timedelta | None = field(default=None, metadata=rule(_DURATION))
    metric_keys: timedelta | None = field(default=timedelta(days=30), metadata=rule(_DURATION))

    def until(self, kind: Swept, now: datetime) -> datetime | None:
        """The time that divides what goes from what stays, of one kind; None if all of it stays.

        What has the very time stays, but for what has a time of its own, which has then come.
        """
        kept = _KEPT[kind](self)
        if kept is None:
            return None
        try:
            return now - kept
        except OverflowError:  # before there were years
            return None


_KEPT: Final[Mapping[Swept, Callable[[Retention], timedelta | None]]] = {
    Swept.IDLE_CONVERSATIONS: lambda kept: kept.idle,
    Swept.EXPIRED_CONVERSATIONS: lambda kept: timedelta(),
    Swept.ENDED_CONVERSATIONS: lambda kept: kept.conversations,
    Swept.INTEGRATION_CALLS: lambda kept: kept.integration_calls,
    Swept.AUDIT_ENTRIES: lambda kept: kept.audit,
    Swept.ANALYTICS_EVENTS: lambda kept: kept.analytics,
    Swept.METRIC_KEYS: lambda kept: kept.metric_keys,
    Swept.TOMBSTONES: lambda kept: timedelta(),
}

FOR_EVER: Final = Retention()
"""Only what has a time of its own goes, and keys that nobody comes with any more."""


@attrs.frozen(kw_only=True)
class SweepReport:
    """What a sweep came to.

    `counts`: how many of each kind that was looked for were swept; for a `dry_run`, would be.
    `failures`: of each kind that failed, the class of the error; the others were gone through all
    the same. `limited`: the kinds of which there may be more, since a limit was reached.
    """

    at: datetime
    dry_run: bool = False
    counts: Mapping[Swept, int] = field(default=FrozenDict())
    failures: Mapping[Swept, str] = field(default=FrozenDict())
    limited: tuple[Swept, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left that was due."""
        return not self.failures and not self.limited

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.counts.values())
