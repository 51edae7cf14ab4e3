"""What the outbox tells the caches of flows."""

from collections.abc import Sequence
from typing import Final

from adapters.cached.flow_cache import FlowCache
from domain.outbox import ChangeEvent
from ports.flows import FLOW_SCHEMA
from ports.outbox import Consumer

NAME: Final = "flow-cache"


class FlowCacheInvalidation(Consumer):
    """Drops from the shared cache the flows that changed, whoever changed them, and whatever became
    of the process that did: it is the outbox that doesn't forget. Raises if the cache is away, so
    that it is told again.
    """

    def __init__(self, cache: FlowCache) -> None:
        self._cache = cache

    @property
    def name(self) -> str:
        return NAME

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        changed = {
            (event.tenant_id, event.entity_id)
            for event in events
            if event.entity_type == FLOW_SCHEMA.name
        }
        for tenant, flow in changed:
            await self._cache.dropped_elsewhere(tenant, [flow])
