"""Flows that are read from caches, and whose changes are told to them."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final, TypeVar
from uuid import UUID

from adapters.cached.codec import Flows
from adapters.cached.flow_cache import FlowCache
from adapters.cached.shared import DEFAULT, active, by_id, by_name
from adapters.cached.tenant import TenantFlows
from domain.errors import ValidationError
from domain.flows import Flow, FlowDailyMetrics, FlowVersion, MetricIncrements
from ports.criteria import Criteria
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    InvalidQueryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TenantMismatchError,
    TransactionError,
)
from ports.flow_metrics import AddedOnce, KeyedIncrements
from ports.flows import FlowRepository, FlowSummary
from ports.reading import Selection

T = TypeVar("T")

UNCHANGED: Final = (
    ValidationError,
    InvalidQueryError,
    TenantMismatchError,
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    TransactionError,
    StoreTimeoutError,
    StoreUnavailableError,
)
"""What a write raises only if it changed nothing; after anything else it may have."""


class Changes(ABC):
    """Who is told what was changed. Of flows by id; None: any of the tenant's."""

    @abstractmethod
    async def written(self, ids: Collection[UUID] | None) -> None:
        """These flows were changed."""

    @abstractmethod
    def unknown(self, ids: Collection[UUID] | None) -> None:
        """They may have been."""

    @property
    @abstractmethod
    def number(self) -> int:
        """How many there were up to now."""

    @abstractmethod
    async def used(self, id: UUID, count: int, at: datetime, since: int) -> None:
        """A use of this one was counted, which began at that `number`."""


class ToldFlowRepository(FlowRepository):
    """The origin's flows: all that is changed is told, and everything is read from the origin."""

    def __init__(self, origin: FlowRepository, changes: Changes) -> None:
        super().__init__(origin._context)
        self._origin = origin
        self._changes = changes

    async def _told(self, ids: Collection[UUID] | None, writing: Awaitable[T]) -> T:
        try:
            result = await writing
        except UNCHANGED:
            raise
        except BaseException:
            self._changes.unknown(ids)
            raise
        await self._changes.written(ids)
        return result

    # Reading.

    async def _get(self, id: Any) -> Flow | None:
        return await self._origin._get(id)

    async def _get_many(self, ids: Sequence[Any]) -> Sequence[Flow]:
        return await self._origin._get_many(ids)

    async def _exists(self, id: Any) -> bool:
        return await self._origin._exists(id)

    async def _count(self, criteria: Criteria) -> int:
        return await self._origin._count(criteria)

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        return await self._origin._select(selection)

    async def _select_summaries(self, selection: Selection) -> Sequence[FlowSummary]:
        return await self._origin._select_summaries(selection)

    async def _versions(self, id: UUID, version: str | None) -> Sequence[FlowVersion]:
        return await self._origin._versions(id, version)

    async def _metrics(self, id: UUID, start: date, end: date) -> Sequence[FlowDailyMetrics]:
        return await self._origin._metrics(id, start, end)

    # Writing.

    async def _insert(self, entities: Sequence[Flow]) -> None:
        await self._told([flow.id for flow in entities], self._origin._insert(entities))

    async def _replace(self, entity: Flow, now: datetime) -> Flow:
        return await self._told([entity.id], self._origin._replace(entity, now))

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Flow:
        return await self._told([id], self._origin._patch(id, expected_revision, changes, now))

    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        return await self._told([id], self._origin._delete(id, expected_revision))

    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int:
        return await self._told(None, self._origin._patch_where(criteria, changes, now))

    async def _delete_where(self, criteria: Criteria) -> int:
        return await self._told(None, self._origin._delete_where(criteria))

    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        # Whoever was the default is changed, too.
        return await self._told(None, self._origin._swap_default(id, by, now))

    async def _store_version(
        self, changed: Flow, left: FlowVersion, new: FlowVersion, now: datetime
    ) -> Flow:
        return await self._told([changed.id], self._origin._store_version(changed, left, new, now))

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        since = self._changes.number
        try:
            count = await self._origin._count_use(id, amount, used_at)
        except UNCHANGED:
            raise
        except BaseException:
            self._changes.unknown([id])
            raise
        await self._changes.used(id, count, used_at, since)
        return count

    async def _add_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements, now: datetime
    ) -> FlowDailyMetrics:
        # A flow's figures are no part of it, and aren't kept.
        return await self._origin._add_metrics(id, metric_date, increments, now)

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        return await self._origin._add_once(id, metric_date, increments, now)


class _ToCache(Changes):
    """Tells the process' cache at once."""

    def __init__(self, cache: FlowCache, flows: TenantFlows) -> None:
        self._cache = cache
        self._flows = flows

    async def written(self, ids: Collection[UUID] | None) -> None:
        await self._cache.written(self._flows, ids)

    def unknown(self, ids: Collection[UUID] | None) -> None:
        self._cache.unknown(self._flows, ids)

    @property
    def number(self) -> int:
        return self._flows.changes

    async def used(self, id: UUID, count: int, at: datetime, since: int) -> None:
        await self._cache.used(self._flows, id, count, at, since)


class CachedFlowRepository(ToldFlowRepository):
    """The origin's flows, five reads of which may be answered by caches: see `FlowCache`."""

    def __init__(self, origin: FlowRepository, cache: FlowCache) -> None:
        self._flows = cache.tenant(origin._context.tenant)
        super().__init__(origin, _ToCache(cache, self._flows))

    @cached_property
    def _direct(self) -> ToldFlowRepository:
        """By which writes read that look at something first."""
        return ToldFlowRepository(self._origin, self._changes)

    async def get_by_id(self, id: Any) -> Flow | None:
        """As the port's; maybe from a cache."""
        if type(id) is not UUID:
            id = self.schema.check_id(id)
        found = self._flows.at_hand(id)
        if found is None:
            found = await self._flows.read(by_id(id), partial(_one, self._origin.get_by_id, id))
        return found[0] if found else None

    async def require(self, id: Any) -> Flow:
        """As the port's; maybe from a cache."""
        found = await self.get_by_id(id)
        if found is None:
            raise EntityNotFoundError(self.schema.name, id)
        return found

    async def get_default(self) -> Flow | None:
        """As the port's; maybe from a cache."""
        found = self._flows.at_hand(DEFAULT.key)
        if found is None:
            found = await self._flows.read(DEFAULT, partial(_one, self._origin.get_default))
        return found[0] if found else None

    async def get_by_name_and_version(self, name: str, version: str) -> Flow | None:
        """As the port's; maybe from a cache."""
        if type(name) is not str or type(version) is not str:
            return await self._origin.get_by_name_and_version(name, version)
        found = self._flows.at_hand((name, version))
        if found is None:
            load = partial(_one, self._origin.get_by_name_and_version, name, version)
            found = await self._flows.read(by_name(name, version), load)
        return found[0] if found else None

    async def get_active(self, limit: int = 50) -> Flows:
        """As the port's; maybe from a cache."""
        if type(limit) is not int:
            return await self._origin.get_active(limit)
        found = self._flows.at_hand(limit)
        if found is None:
            load = partial(self._origin.get_active, limit)
            found = await self._flows.read(active(limit), load)
        return found

    # What writes, and looks at something first.

    async def _contended(
        self, id: Any, expected_revision: int | None, attempt: Callable[[Flow], Awaitable[T]]
    ) -> T:
        return await self._direct._contended(id, expected_revision, attempt)

    async def unset_default(self, *, by: str | None = None) -> bool:
        """As the port's."""
        return await self._direct.unset_default(by=by)

    async def rollback_to(
        self,
        id: UUID,
        version: str,
        *,
        by: str | None = None,
        expected_revision: int | None = None,
    ) -> Flow:
        """As the port's."""
        return await self._direct.rollback_to(
            id, version, by=by, expected_revision=expected_revision
        )


async def _one(read: Callable[..., Awaitable[Flow | None]], *arguments: Any) -> Flows:
    found = await read(*arguments)
    return () if found is None else (found,)
