"""The Redis store."""

from datetime import timedelta
from functools import cached_property
from typing import ClassVar, Self

from adapters.redis.archive import RedisArchive
from adapters.redis.cache import RedisCache, end_loads
from adapters.redis.client import Client, RedisOptions
from adapters.redis.executions import RedisExecutionStore
from adapters.redis.locks import RedisLocks
from adapters.redis.maintenance import RedisRuntimeMaintenance
from adapters.redis.opening import open_client
from adapters.redis.rate_limits import RedisRateLimiter
from adapters.redis.sessions import RedisSessionStore
from adapters.redis.streams import RedisStreamConsumer
from adapters.redis.tombstones import RedisTombstones
from adapters.redis.tracking import RedisTrackedExecutions, RedisUnsynchronised
from domain.identity import TenantId
from ports.cache import Cache
from ports.capabilities import Capability
from ports.executions import ExecutionStore
from ports.gate import OPEN, Gate
from ports.locks import Locks
from ports.outbox import Consumer
from ports.rate_limits import RateLimiter
from ports.runtime import RuntimePorts
from ports.sessions import SessionStore
from ports.stores import RuntimeMaintenance, RuntimeStore
from ports.tombstones import STALENESS
from ports.tracking import TrackedExecutions


class RedisStore(RuntimeStore):
    """What lives for a while, on one server or a cluster."""

    name: ClassVar[str] = "redis"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(
        self,
        client: Client,
        *,
        deadline: float = RedisOptions().deadline,
        staleness: timedelta = STALENESS,
    ) -> None:
        self._client = client
        self._unsynchronised = RedisUnsynchronised(client)
        self._tombstones = RedisTombstones(client, deadline=deadline, staleness=staleness)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        options: RedisOptions | None = None,
        staleness: timedelta = STALENESS,
    ) -> Self:
        """A store at `url`: `redis://user:password@host:6379/0`, `rediss://…` (TLS) or `unix://…`.

        It connects at once, to ask whether that is one server or a node of a cluster, which it
        finds its way in from there. Redis 6.2 or later, or Valkey; not a Sentinel. `staleness`: how
        long an erasure by another process may be unknown here.

        Raises:
            StoreUnavailableError, StoreTimeoutError: if it can't be asked, or isn't a URL for
                Redis.
        """
        chosen = options or RedisOptions()
        client = await open_client(url, chosen)
        return cls(client, deadline=chosen.deadline, staleness=staleness)

    async def close(self) -> None:
        """End its connections and its cache's loads. Who waits for an answer gets an error."""
        try:
            await self._tombstones.close()
            await end_loads(self._client)
            await self._unsynchronised.close()
        finally:
            await self._client.close()

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        return RedisPorts(tenant, self._client, self._unsynchronised, self._tombstones.gate)

    def maintenance(self) -> RuntimeMaintenance:
        made = RedisRuntimeMaintenance(self._client, self._unsynchronised, self._tombstones)
        return made.keeping(RedisArchive(self._client, self._unsynchronised, self._tombstones.gate))

    def stream(self, name: str) -> Consumer:
        return RedisStreamConsumer(self._client, name)

    async def check(self) -> None:
        await self._client.check()


class RedisPorts(RuntimePorts):
    """A tenant's ports."""

    def __init__(
        self,
        tenant: TenantId,
        client: Client,
        queue: RedisUnsynchronised,
        gate: Gate = OPEN,
    ) -> None:
        self._tenant = tenant
        self._client = client
        self._queue = queue
        self._gate = gate

    @cached_property
    def sessions(self) -> SessionStore:
        return RedisSessionStore(self._tenant, self._client, self._gate)

    @cached_property
    def executions(self) -> ExecutionStore:
        return RedisExecutionStore(self._tenant, self._client, self._gate)

    @cached_property
    def tracked_executions(self) -> TrackedExecutions:
        return RedisTrackedExecutions(self._tenant, self._client, self._queue, self._gate)

    @cached_property
    def rate_limits(self) -> RateLimiter:
        return RedisRateLimiter(self._tenant, self._client, self._gate)

    @cached_property
    def cache(self) -> Cache:
        return RedisCache(self._tenant, self._client, self._gate)

    @cached_property
    def locks(self) -> Locks:
        return RedisLocks(self._tenant, self._client, self._gate)
