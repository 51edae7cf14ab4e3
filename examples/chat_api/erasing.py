"""Users who want to be forgotten: begun at their request, finished in the background."""

import asyncio

import attrs

from bootstrap.platform import Platform
from domain.identity import TenantId, UserId


@attrs.frozen
class Erasing:
    """A process's erasures. Each takes some seconds: until every process must have heard of it.

    One that doesn't come to its end here, because the process ends, is gone on with by whoever runs
    `dialogbase erase resume`, or asks for it again: what is to be done stands in the stores.
    """

    _platform: Platform
    _tasks: "set[asyncio.Task[object]]" = attrs.field(factory=set, init=False)

    async def begin(self, tenant: TenantId, user: UserId) -> None:
        """From now on nothing more is written of the user, and what there is goes.

        Raises:
            StoreUnavailableError, StoreTimeoutError, OutcomeUnknownError: if it couldn't be begun.
        """
        standing = asyncio.Event()
        erasing = asyncio.create_task(
            self._platform.maintenance.erase_user(tenant, user, told=lambda _: standing.set())
        )
        self._tasks.add(erasing)
        erasing.add_done_callback(self._tasks.discard)
        begun = asyncio.create_task(standing.wait())
        await asyncio.wait({erasing, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if erasing.done():
            erasing.result()

    async def stop(self) -> None:
        """Leave those under way as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
