"""What waits for somebody who works in the background: late if nobody does."""

from datetime import datetime, timedelta
from typing import Final

from bootstrap.health.findings import WARNING, Check
from ports.outbox import Outbox
from ports.stores import AnalyticsMaintenance, Maintenance
from ports.tracking import Unsynchronised

LATE: Final = timedelta(minutes=5)
"""For how long nothing waits where somebody works."""

LONG: Final = timedelta(hours=1)
"""An erasure that isn't finished by then has most likely been given up by who began it."""


async def outbox(store: str, queue: Outbox, now: datetime) -> Check:
    """Whether changes are told: nobody dispatches, or a consumer takes nothing, if they wait."""
    backlog = await queue.backlog()
    waits = [("a dispatcher", backlog.undistributed, backlog.oldest, "")]
    for one in backlog.consumers:
        refused = f", refused {one.attempts} times ({one.last_error})" if one.failing else ""
        waits.append((one.name, one.waiting, one.oldest, refused))
    told = [
        f"{count} for {whom}, since {_time(oldest)}{refused}"
        for whom, count, oldest, refused in waits
        if oldest is not None
    ]
    late = any(oldest is not None and now - oldest > LATE for _, _, oldest, _ in waits)
    found = "; ".join(told) or "nothing waits"
    asked = f"{found}: who dispatches?" if late else found
    return Check(store, "outbox", not late, asked, WARNING)


async def synchronisation(store: str, queue: Unsynchronised) -> Check:
    """Whether execution states get into their contexts. What isn't due yet may wait."""
    backlog = await queue.backlog()
    found = f"{backlog.waiting} wait" if backlog.waiting else "nothing waits"
    if backlog.oldest is not None:
        found += f", due since {_time(backlog.oldest)}"
    late = backlog.late > LATE
    asked = f"{found}: who synchronises?" if late else found
    return Check(store, "synchronisation", not late, asked, WARNING)


async def flow_metrics(store: str, maintenance: AnalyticsMaintenance, now: datetime) -> Check:
    """Whether executions of flows are counted."""
    uncounted = await maintenance.uncounted()
    found = f"{uncounted.number} aren't counted yet" if uncounted.number else "all are counted"
    late = uncounted.oldest is not None and now - uncounted.oldest > LATE
    if uncounted.oldest is not None:
        found += f", the oldest of {_time(uncounted.oldest)}"
    asked = f"{found}: who counts?" if late else found
    return Check(store, "flow metrics", not late, asked, WARNING)


async def erasures(store: str, now: datetime, *groups: Maintenance) -> Check:
    """Whether all that was begun to be erased is gone from these groups. Whose it is isn't told."""
    number, oldest = 0, now
    for maintenance in groups:
        async for tombstone in maintenance.tombstones.standing(unfinished=True):
            number, oldest = number + 1, min(oldest, tombstone.at)
    if not number:
        return Check(store, "erasures", True, "none is unfinished", WARNING)
    found = f"{number} unfinished, the oldest of {_time(oldest)}"
    if now - oldest <= LONG:
        return Check(store, "erasures", True, found, WARNING)
    return Check(store, "erasures", False, f"{found}: run dialogbase erase resume", WARNING)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
