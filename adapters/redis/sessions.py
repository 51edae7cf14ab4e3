"""To be written."""

from adapters.redis.client import Client
from domain.identity import TenantId
from ports.sessions import SessionStore


class RedisSessionStore(SessionStore):
    def __init__(self, tenant: TenantId, client: Client) -> None:
        self._tenant = tenant
        self._client = client
