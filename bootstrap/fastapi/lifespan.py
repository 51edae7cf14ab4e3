"""The platform, for as long as a service runs."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from fastapi import FastAPI

from bootstrap.platform import Platform, open
from bootstrap.settings import Settings
from ports.outbox import Consumer

Opening: TypeAlias = Callable[[], AbstractAsyncContextManager[Platform]]


def lifespan(
    settings: Settings | Opening | None = None,
    *,
    consumers: Sequence[Consumer] = (),
    background: bool = True,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What `FastAPI(lifespan=...)` takes: opens the platform before the first request, and closes
    it after the last.

    `settings`: None for those of the environment; or what opens a platform otherwise, for tests.
    With `background`, this process also does what goes on beside requests: it tells `consumers`,
    and the platform's own, of what was changed; counts executions in their flows' figures; sweeps
    what was kept for long enough; and, if the settings have it so, synchronises execution states
    with their contexts. Any number of processes may, they share the work. Without, run
    `dialogbase dispatch`, `project`, `sweep` and `sync`.

    A platform that can't be opened keeps the service from starting, with the errors of
    `bootstrap.open`.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opening = settings() if callable(settings) else open(settings)
            platform = await stack.enter_async_context(opening)
            if background:
                await stack.enter_async_context(platform.dispatching(consumers))
                await stack.enter_async_context(platform.projecting())
                await stack.enter_async_context(platform.sweeping())
                if platform.settings.synchronise:
                    await stack.enter_async_context(platform.synchronising())
            app.state.platform = platform
            try:
                yield
            finally:
                del app.state.platform

    return running
