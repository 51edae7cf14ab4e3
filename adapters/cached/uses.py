"""What a process itself counted of flows lately, for what it has in caches doesn't show it."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import attrs

from adapters.cached.codec import Flows
from domain.flows import Flow
from domain.rules import restored

MAX_USES: Final = 1_000
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@attrs.frozen
class _Use:
    count: int
    at: datetime
    until: float


class Uses:
    """Of one tenant's flows: the count, and the time of the last use, as this process left them.

    Both only ever rise, so that the greater of these and of what a cache holds is right, whichever
    is the later. A use is remembered for as long as a cache may hold what was read before it; of
    more than `MAX_USES` flows, those used longest ago are forgotten.
    """

    def __init__(self, lasting: float, monotonic: Callable[[], float]) -> None:
        self._lasting = lasting
        self._now = monotonic
        self._uses: OrderedDict[UUID, _Use] = OrderedDict()
        self.number = 0
        """Raised by every use."""

    def note(self, id: UUID, count: int, at: datetime) -> UUID | None:
        """A flow was used; the id of one that had to be forgotten before its time."""
        now = self._now()
        self._end(now)
        known = self._uses.pop(id, None)
        if known is not None:
            count, at = max(count, known.count), max(at, known.at)
        self._uses[id] = _Use(count, at, now + self._lasting)
        self.number += 1
        return self._uses.popitem(last=False)[0] if len(self._uses) > MAX_USES else None

    def _end(self, now: float) -> None:
        while self._uses and next(iter(self._uses.values())).until < now:
            self._uses.popitem(last=False)

    def forget(self, ids: Iterable[UUID] | None) -> None:
        """What was read before isn't to be had any more: of these flows, or of all."""
        if ids is None:
            self._uses.clear()
        else:
            for id in ids:
                self._uses.pop(id, None)

    def shown(self, flows: Flows, limit: float = math.inf) -> Flows | None:
        """The flows with what is known of their use.

        With a limit, they are those that were used last, that many at most; then in the order that
        they have now, or None if one that isn't among them may be by now.
        """
        if not self._uses or (not flows and math.isinf(limit)):
            return flows
        self._end(self._now())
        shown = tuple(map(self._shown, flows))
        if math.isinf(limit):
            return shown
        if any(one is not other for one, other in zip(shown, flows, strict=True)):
            shown = tuple(sorted(shown, key=_recency, reverse=True))
        if len(shown) >= limit and not self._settled(shown):
            return None
        return shown

    def _shown(self, flow: Flow) -> Flow:
        use = self._uses.get(flow.id)
        if use is None:
            return flow
        count = max(flow.usage_count, use.count)
        at = use.at if flow.last_used_at is None else max(flow.last_used_at, use.at)
        if count == flow.usage_count and at == flow.last_used_at:
            return flow
        return restored(Flow, {**vars(flow), "usage_count": count, "last_used_at": at})

    def _settled(self, listed: Flows) -> bool:
        """Whether all others were used before the last one listed."""
        among = {flow.id for flow in listed}
        last = listed[-1].last_used_at
        return all(
            id in among or (last is not None and use.at < last) for id, use in self._uses.items()
        )


def _recency(flow: Flow) -> tuple[Any, ...]:
    """As `get_active` orders, the other way round: never used first, then by time, then by id."""
    used_at = flow.last_used_at
    return (used_at is not None, _NEVER if used_at is None else used_at, flow.id)
