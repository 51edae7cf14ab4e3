"""What each port of the runtime group can leave in a tenant, and how one sees that it is there."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import ClassVar, Final

from domain.executions import ExecutionState
from domain.rates import fixed_window
from ports.cache import MISS
from ports.errors import LockLostError, LockNotAcquiredError
from ports.stores import TenantScope

HOUR = timedelta(hours=1)
AWKWARD: Final = (
    *("b:c", "c", "b", ":c", "b:", "a/b", "/", "{", "}", "{}", "}:session:b", "{b}", "*", "?"),
    *("[b]", "\\", "b\\*", "%", "%3A", " ", "a b", "\u00e9", "e\u0301", "\U0001f600", "..", "B"),
)
"""Names in which something might be taken for a pattern, a separator or another name."""


class Use(ABC):
    """One port, used under a name: leaves something there that lives for an hour at most."""

    name: ClassVar[str]

    @abstractmethod
    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        """Leave something, which may hang on the stack, under a name that has nothing yet."""

    @abstractmethod
    async def there(self, scope: TenantScope, name: str) -> bool:
        """Whether there is something. A look leaves nothing that wasn't there, but for locks."""

    @abstractmethod
    async def drop(self, scope: TenantScope, name: str) -> None:
        """Remove what is there, as far as this port goes."""


class _Session(Use):
    name = "sessions"

    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        await scope.sessions.create(name, idle_timeout=HOUR, lifetime=HOUR)

    async def there(self, scope: TenantScope, name: str) -> bool:
        return bool(await scope.sessions.for_user(name))

    async def drop(self, scope: TenantScope, name: str) -> None:
        await scope.sessions.delete_for_user(name)


class _Execution(Use):
    name = "executions"

    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        await scope.executions.save(ExecutionState.draft(name, ttl=HOUR))

    async def there(self, scope: TenantScope, name: str) -> bool:
        return await scope.executions.get(name) is not None

    async def drop(self, scope: TenantScope, name: str) -> None:
        await scope.executions.delete(name)


class _Limit(Use):
    name = "rate_limits"
    rule = fixed_window(2, HOUR)

    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        await scope.rate_limits.acquire(name, self.rule)

    async def there(self, scope: TenantScope, name: str) -> bool:
        return (await scope.rate_limits.peek(name, self.rule)).count > 0

    async def drop(self, scope: TenantScope, name: str) -> None:
        await scope.rate_limits.reset(name, self.rule)


class _Cached(Use):
    name = "cache"

    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        await scope.cache.set(name, {"value": name}, HOUR, tags=[name])

    async def there(self, scope: TenantScope, name: str) -> bool:
        return await scope.cache.get(name) is not MISS

    async def drop(self, scope: TenantScope, name: str) -> None:
        await scope.cache.invalidate_tag(name)


class _Lock(Use):
    """Held until the stack is left, or taken away before that."""

    name = "locks"

    async def leave(self, scope: TenantScope, name: str, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(_held(scope, name))

    async def there(self, scope: TenantScope, name: str) -> bool:
        try:
            async with scope.locks.hold(name, wait=timedelta()):
                return False
        except LockNotAcquiredError:
            return True

    async def drop(self, scope: TenantScope, name: str) -> None:
        """Only its holder can."""


@asynccontextmanager
async def _held(scope: TenantScope, name: str) -> AsyncIterator[None]:
    try:
        async with scope.locks.hold(name, ttl=HOUR, wait=timedelta()):
            yield
    except LockLostError:
        return


USES: Final[Sequence[Use]] = (_Session(), _Execution(), _Limit(), _Cached(), _Lock())
COUNTED: Final = 2
"""How many of them leave what an erasure counts."""


async def leave_all(
    scope: TenantScope, name: str, stack: AsyncExitStack, uses: Iterable[Use] = USES
) -> None:
    """Leave something in each port under one name."""
    for use in uses:
        await use.leave(scope, name, stack)


async def there_in(scope: TenantScope, name: str) -> list[str]:
    """The ports that have something under the name, locks looked at last."""
    return [use.name for use in USES if await use.there(scope, name)]


EVERYWHERE: Final = [use.name for use in USES]
