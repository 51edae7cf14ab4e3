"""To be written."""

from adapters.redis.client import Client
from domain.identity import TenantId
from ports.locks import Locks


class RedisLocks(Locks):
    def __init__(self, tenant: TenantId, client: Client) -> None:
        self._tenant = tenant
        self._client = client
