"""Analytics events in MongoDB: one document each, figures by aggregation.

Every acknowledged event is in the journals of a majority of the members. What has expired is left
out of every answer by the clock of whoever asks, and removed by the server, which looks once a
minute (an index that `migrations` makes says when).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, Final
from uuid import UUID

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import EVENT_TOMBSTONES, EVENTS, UNCOUNTED, Collection
from adapters.mongo.driver import Client
from adapters.mongo.erasing import MongoErasingEvents
from adapters.mongo.execution_queue import MongoExecutionQueue, uncounted
from adapters.mongo.executor import Document, Executor
from adapters.mongo.keyset import page
from adapters.mongo.maintenance import BATCH, MongoTenants
from adapters.mongo.pipelines import pipeline, reader
from adapters.mongo.statistics import statistics
from adapters.mongo.tombstones import MongoTombstones
from adapters.mongo.values import UNREADABLE
from domain.analytics import AnalyticsEvent
from domain.flow_executions import EXECUTION
from domain.identity import TenantId, UserId, tenant_id
from domain.retention import Swept
from domain.rules import checked
from ports.analytics import EVENT_SCHEMA, Analytics, Asked, Row
from ports.capabilities import Capability
from ports.errors import CorruptRecordError, ErasedError
from ports.flow_projection import ExecutionQueue
from ports.port_archives import AnalyticsArchive
from ports.reading import Context, Selection
from ports.statistics import CollectionStatistics
from ports.stores import AnalyticsMaintenance, AnalyticsStore
from ports.time import Clock, IdGenerator
from ports.tombstones import STALENESS

_NAME: Final = EVENTS.name
_MAPPER: Final = EVENTS.mapper


class MongoAnalytics(Analytics):
    """A tenant's events."""

    def __init__(self, context: Context, retention: timedelta | None, executor: Executor) -> None:
        super().__init__(context, retention)
        self._executor = executor
        self._tenant = context.tenant

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        documents = _MAPPER.documents(events)
        now: datetime | None = None
        for document in documents:
            if document["type"] == EXECUTION:
                now = now or checked(AnalyticsEvent, "at", self._context.clock.now())
                document[UNCOUNTED] = {"due": now, "since": now}
        return await self._added(events, documents)

    async def _restore(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        return await self._added(events, _MAPPER.documents(events))

    async def _added(
        self, events: Sequence[AnalyticsEvent], documents: Sequence[Document]
    ) -> list[str]:
        began = monotonic()
        places = await self._executor.insert_new(_NAME, documents)
        if monotonic() - began >= self._executor.deadline:
            # It took longer than an erasure waits for others.
            await self._admitted(events, documents, places)
        return [events[place].id for place in places]

    async def _admitted(
        self, events: Sequence[AnalyticsEvent], documents: Sequence[Document], known: Sequence[int]
    ) -> None:
        """Take back what was added if it wouldn't be admitted any more."""
        try:
            await self._admit(events)
        except ErasedError:
            added = {place: document["_id"] for place, document in enumerate(documents)}
            for place in known:
                del added[place]
            await self._executor.delete_many(_NAME, {"_id": {"$in": list(added.values())}})
            raise

    async def _get(self, id: str) -> AnalyticsEvent | None:
        found = await self._executor.find_one(_NAME, {"_id": _MAPPER.key(self._tenant, id)})
        return None if found is None else _MAPPER.restored(found)

    async def _uncounted(self, flow_id: UUID, start: datetime, end: datetime) -> int:
        wanted = {
            "tenant_id": self._tenant,
            "flow_id": flow_id,
            "at": {"$gte": start, "$lt": end},
            **uncounted(),
        }
        return await self._executor.count(_NAME, wanted)

    async def _select(self, selection: Selection) -> Sequence[AnalyticsEvent]:
        query = page(self._tenant, selection, EVENTS)
        if query.pipeline is not None:
            found = await self._executor.aggregate(_NAME, query.pipeline)
        else:
            found = await self._executor.find(
                _NAME, query.filter, projection=EVENTS.shown, sort=query.sort, limit=query.limit
            )
        return _MAPPER.all_restored(found)

    async def _query(self, asked: Asked) -> Sequence[Row]:
        found = await self._executor.aggregate(_NAME, pipeline(self._tenant, asked))
        try:
            return list(map(reader(asked), found))
        except UNREADABLE:
            failure = CorruptRecordError(EVENT_SCHEMA.name, None, asked.query.group_by)
        raise failure

    async def _delete_for_user(self, user_id: UserId) -> int:
        wanted = {"tenant_id": self._tenant, "user_id": user_id}
        removed = 0
        while True:
            found, gone = await _delete_some(self._executor, wanted, BATCH)
            removed += gone
            if found < BATCH:
                return removed


class MongoAnalyticsStore(AnalyticsStore):
    """Events in MongoDB 6.0 or later, migrated beforehand with the same `retention`.

    The client is the caller's, to be shared and to be closed.
    """

    name: ClassVar[str] = "mongo"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.DURABLE})

    def __init__(
        self,
        client: Client,
        clock: Clock,
        ids: IdGenerator,
        *,
        retention: timedelta | None = None,
        staleness: timedelta = STALENESS,
    ) -> None:
        self._executor = ClientExecutor(client)
        self._tombstones = MongoTombstones(
            self._executor, EVENT_TOMBSTONES, clock, staleness=staleness
        )
        client.on_close(self._tombstones.close)
        self._clock = clock
        self._ids = ids
        self._retention = retention

    def repositories(self, tenant: TenantId) -> Analytics:
        gate = self._tombstones.gate
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids, gate=gate)
        return MongoAnalytics(context, self._retention, self._executor)

    def maintenance(self) -> AnalyticsMaintenance:
        made = MongoAnalyticsMaintenance(self._executor, self._tombstones)
        return made.keeping(AnalyticsArchive(self.repositories, self._tombstones.gate))

    async def check(self) -> None:
        await self._executor.ping()


class MongoAnalyticsMaintenance(MongoErasingEvents, MongoTenants, AnalyticsMaintenance):
    """Maintenance of the collection of events."""

    collections: ClassVar[tuple[Collection, ...]] = (EVENTS,)

    async def erase_tenant(self, tenant: TenantId) -> int:
        named, erased = tenant_id(tenant), 0
        noting = await self._stands(named, None)
        while keys := await self._some(_NAME, named):
            erased += await self._erase_keys(named, _NAME, keys, noting)
        return erased

    @property
    def executions(self) -> ExecutionQueue:
        return MongoExecutionQueue(self._executor)

    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        return await statistics(self._executor, self.collections)

    async def _purge(self, before: datetime, tenant: TenantId, limit: int) -> tuple[int, bool]:
        wanted = {"tenant_id": tenant, "at": {"$lt": before}}
        found, gone = await _delete_some(self._executor, wanted, limit, [("at", 1)])
        return gone, found == limit

    async def _due(self, kind: Swept, until: datetime) -> int:
        if kind is not Swept.ANALYTICS_EVENTS:
            return await super()._due(kind, until)
        old = {"at": {"$lt": until}}
        return sum(
            [
                await self._executor.count(_NAME, {"tenant_id": tenant, **old})
                async for tenant in self.tenants()
            ]
        )


async def _delete_some(
    executor: Executor,
    wanted: Document,
    limit: int,
    sort: Sequence[tuple[str, int]] | None = None,
) -> tuple[int, int]:
    """Delete the first that match: how many were found, and how many went."""
    found = await executor.find(_NAME, wanted, projection={"_id": 1}, sort=sort, limit=limit)
    keys = [document["_id"] for document in found]
    gone = await executor.delete_many(_NAME, {"_id": {"$in": keys}}) if keys else 0
    return len(keys), gone
