"""The third chapter: what lives for a while, and what many want at the same moment."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bootstrap.cli.story.scenes import Scene, Step, Table
from bootstrap.platform import Platform
from domain.decisions import RateLimitDecision
from domain.executions import ExecutionState
from domain.rates import sliding_window
from ports.errors import LockLostError

_DEVICES: Final = ("phone", "tablet", "laptop")
_CHANGES: Final = 20
_LIMIT: Final = sliding_window(limit=5, window=timedelta(minutes=1))
_BURST: Final = 12
_CROWD: Final = 200
_LEASE: Final = timedelta(milliseconds=200)
_TALK: Final = "live/ella"


class MomentChapter:
    """What is done with sessions, limits, cache and locks."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        self._acme = platform.for_tenant(tenant)

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return self._session, self._burst, self._stampede, self._lose_lock

    async def _session(self) -> Step:
        sessions = self._acme.sessions
        issued = [
            await sessions.create("ella", preferences={"device": device}) for device in _DEVICES
        ]
        phone = issued[0].token
        await asyncio.gather(
            *(sessions.merge(phone, context={f"viewed {n}": n}) for n in range(_CHANGES))
        )
        kept = len((await sessions.require(phone)).context)
        rotated = await sessions.rotate(phone)
        old = await sessions.get(phone)
        listed = await sessions.for_user("ella")
        ended = await sessions.delete_for_user("ella", keep=rotated.token)
        left = await sessions.for_user("ella")
        return Step(
            title="Three devices, one user",
            says=f"Ella is logged in on {len(listed)} devices. Her phone sends {_CHANGES} changes "
            f"of its session at once, and {kept} survive. When she pays, the session gets another "
            f"token: the old one is {'dead' if old is None else 'ALIVE'}. Then she logs out "
            f"everywhere else: {ended} sessions end, {len(left)} is left.",
            table=Table(
                columns=("device", "session", "ends, unused", "ends at the latest"),
                rows=tuple(
                    (
                        str(one.preferences["device"]),
                        f"{one.id[:12]}…",
                        f"{one.idle_expires_at:%H:%M}",
                        f"{one.expires_at:%H:%M}",
                    )
                    for one in listed
                ),
            ),
            figures={
                "survived": kept,
                "old_token_dead": old is None,
                "listed": len(listed),
                "ended": ended,
                "left": len(left),
            },
        )

    async def _burst(self) -> Step:
        limits = self._acme.rate_limits
        answers: Sequence[RateLimitDecision] = await asyncio.gather(
            *(limits.acquire("ella", _LIMIT) for _ in range(_BURST))
        )
        admitted = sum(answer.allowed for answer in answers)
        refused = next(answer for answer in answers if not answer.allowed)
        headers = refused.headers("messages")
        never = await limits.acquire("ella", _LIMIT, cost=_LIMIT.limit + 1)
        return Step(
            title="A burst against a limit",
            says=f"{_BURST} messages of one guest come at the same moment, where {_LIMIT.limit} "
            f"are allowed in any minute: {admitted} pass, whoever counts, in however many "
            "processes. The others are told what HTTP tells its clients:",
            quotes=tuple(f"{name}: {value}" for name, value in headers.items()),
            figures={
                "asked": _BURST,
                "admitted": admitted,
                "retry_after_told": "Retry-After" in headers,
                "never": never.never,
            },
        )

    async def _stampede(self) -> Step:
        cache, loads = self._acme.cache, 0

        async def price_list() -> dict[str, str]:
            nonlocal loads
            loads += 1
            await asyncio.sleep(0.05)
            return {"kettle": "24.90", "edition": str(loads)}

        async def ask() -> object:
            return await cache.get_or_load("prices", price_list, tags=["shop"])

        first = await asyncio.gather(*(ask() for _ in range(_CROWD)))
        at_first = loads
        late = asyncio.create_task(cache.get_or_load("menu", price_list, tags=["shop"]))
        await asyncio.sleep(0.02)
        await cache.invalidate_tag("shop")
        await late
        stale = await cache.get("menu", None) is not None
        return Step(
            title="A stampede on the cache",
            says=f"{_CROWD} callers miss the same key at once. The loader is called {at_first} "
            f"time, and all {sum(one == first[0] for one in first)} get what it loaded. Then a tag "
            "is invalidated while a load is under way: its caller gets the value, and it is "
            f"{'STORED' if stale else 'not stored'}, for it may be out of date.",
            figures={
                "callers": _CROWD,
                "loads": at_first,
                "equal": all(one == first[0] for one in first),
                "stored_after_invalidation": stale,
            },
        )

    async def _lose_lock(self) -> Step:
        locks, executions = self._acme.locks, self._acme.executions
        await executions.save(ExecutionState.draft(_TALK, current_state="order"))
        told: list[str] = []
        token = 0
        try:
            async with locks.hold(_TALK, ttl=_LEASE) as lease:
                token = lease.fencing_token
                # All of the process stands still, as one does that is swapped out or moved.
                time.sleep(2 * _LEASE.total_seconds())  # noqa: ASYNC251
                await asyncio.sleep(5)
        except LockLostError as lost:
            told.append(str(lost))
        async with locks.hold(_TALK, ttl=_LEASE) as lease:
            newer = lease.fencing_token
            await executions.enter_state(_TALK, "payment", fencing_token=newer)
        try:
            await executions.enter_state(_TALK, "cancelled", fencing_token=token)
        except LockLostError as refused:
            told.append(str(refused))
        state = await executions.require(_TALK)
        return Step(
            title="A lock that was lost",
            says="A worker holds the lock of Ella's conversation, and its machine stands still for "
            "longer than the lease. When it wakes, it is interrupted. Another one has the lock by "
            f"now, with a {'greater' if newer > token else 'SMALLER'} fencing token, and has moved "
            "on; the first one's last write, already under way, comes too late. The conversation "
            f"is in state {state.current_state!r}.",
            quotes=tuple(told),
            figures={
                "told": len(told),
                "token_grew": newer > token,
                "state": state.current_state,
            },
        )
