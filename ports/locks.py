"""One tenant's locks: who may do something, one at a time, among any number of processes."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final

from domain.durations import duration
from domain.rules import argument, optional, text
from ports.leases import Holding, Lease, Leasing

MAX_NAME: Final = 512
SHORTEST_TTL: Final = timedelta(milliseconds=100)
LONGEST_TTL: Final = timedelta(hours=1)
LONGEST_WAIT: Final = timedelta(days=1)

_NAME = text(MAX_NAME, min_length=1)
_TTL = duration(SHORTEST_TTL, LONGEST_TTL)
_WAIT = optional(duration(timedelta(0), LONGEST_WAIT))


class Locks(Leasing):
    """One tenant's locks. There is one for every name, and none before it is held.

    At most one holds a lock, as long as the clocks of a holder and of the store run equally fast,
    and the store forgets nothing. A process that stands still, a clock that jumps, a fail-over to a
    replica that lagged behind can each let another one in; then every holder but the last is told,
    and what it writes with its fencing token can be refused.
    """

    def hold(
        self,
        name: str,
        ttl: timedelta = timedelta(seconds=30),
        *,
        wait: timedelta | None = None,
    ) -> AbstractAsyncContextManager[Lease]:
        """Hold a lock for a block: `async with locks.hold("nightly") as lease`.

        `name` is 1 to 512 characters. `ttl` (100 ms to 1 h) is for how long the lock outlives a
        holder that died. While the block runs the lease is renewed every third of it, so a block
        may take as long as it likes, if only it lets the event loop run.

        Those who wait get the lock in the order in which they came; each release wakes one of them.
        With `wait` (up to a day), for so long at most, and the round trip then under way; 0 is at
        once or not at all, and never before one who waits already. None waits until the caller's
        own timeout or cancellation, which leaves neither lock nor place in the line. One who waits
        and dies holds up the others for 4 s at most, if the lock becomes free meanwhile; a dead
        holder until its lease ends.

        A lease is lost when the store says so at a renewal or release (it had lapsed, or the tenant
        was erased), or when no renewal succeeded before it ended. Then the block is interrupted as
        `asyncio.timeout` does it, by a cancellation that leaves it as `LockLostError`; one that
        came from elsewhere stays a `CancelledError`. The block that ends by itself is told as well,
        at its end: what it did may have been done beside another one. An exception of the block
        leaves it unchanged, and `lease.lost` tells.

        A holding is one task's and of one block. Nobody else can release it, and it isn't
        re-entrant: within its block, to hold the same name again waits for ever.

        One round trip if the lock is free, one to release it; two more, and one each second, to
        wait.

        Raises:
            ValidationError: for a name, `ttl` or `wait` that can't be.
            LockNotAcquiredError: if it was not to be had within `wait`.
            ErasedError: if the tenant was erased, also while it was waited for.
            LockLostError: from within the block or at its end, as above; or instead of it, if the
                store's answer took longer than the lease.
            OutcomeUnknownError: instead of the block, which isn't run then, or at its end, when it
                was done under the lock: the lock may stay locked until its lease ends.
        """
        return Holding(
            self,
            argument("lock", "name", name, _NAME),
            argument("lock", "ttl", ttl, _TTL),
            argument("lock", "wait", wait, _WAIT),
        )
