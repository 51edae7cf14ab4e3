"""The memory adapter, broken in one way at a time: as real adapters have been."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.session import Session, SingleSession, UnitSession
from adapters.memory.store import MemoryAuthoring
from adapters.memory.tables import Tables, Transaction
from domain.documents import thaw
from domain.flows import Flow
from domain.identity import TenantId
from domain.rules import restored
from ports.contracts.harness import Backend
from ports.criteria import And, Comparison, Criteria, Not, Operator, Or, Search
from ports.flows import FlowRepository
from ports.paging import Order, Position
from ports.reading import Context, Selection
from ports.stores import AuthoringStore
from ports.time import Clock


class Sound(MemoryFlowRepository):
    """The repository as it should be; what is broken overrides a part of it."""

    store: "Store"


class Store(MemoryAuthoringStore):
    """A memory store with another repository."""

    repository: ClassVar[type[Sound]] = Sound

    def __init__(self, *, clock: Clock, shared: "Store | None" = None) -> None:
        super().__init__(clock=clock)
        if shared is not None:
            self._tenants = shared._tenants

    def _repositories(self, tenant: TenantId, session: Any) -> MemoryAuthoring:
        sound = super()._repositories(tenant, session)
        return _Repositories(sound._context, session, self)


class _Repositories(MemoryAuthoring):
    def __init__(self, context: Context, session: Session, store: Store) -> None:
        super().__init__(context, session)
        self._store = store

    @cached_property
    def flows(self) -> FlowRepository:
        made = self._store.repository(self._context, self._session)
        made.store = self._store
        return made


def backend_of(broken: type[Store] | type[Sound]) -> Backend:
    """A backend over a store, or over a plain store with that repository."""
    if issubclass(broken, Store):
        kind: type[Store] = broken
    else:
        kind = type(broken.__name__, (Store,), {"repository": broken})

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[AuthoringStore]]:
            first = kind(clock=self.clock)
            yield first, kind(clock=self.clock, shared=first)

    return BrokenBackend()


# Aliasing.


class ChangesItsArgument(Sound):
    """Raises the revision of the caller's own entity."""

    async def _replace(self, entity: Flow, now: datetime) -> Flow:
        stored = await super()._replace(entity, now)
        object.__setattr__(entity, "revision", stored.revision)
        return stored


class CountsInPlace(Sound):
    """Counts in the very entity that callers hold."""

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        flow: Flow | None = await self._get(id)
        if flow is None:
            return await super()._count_use(id, amount, used_at)
        vars(flow)["usage_count"] += amount
        return flow.usage_count


class HandsOutMutableDocuments(Sound):
    """Returns plain dicts where the entity had immutable ones."""

    async def _get(self, id: UUID) -> Flow | None:
        flow = await super()._get(id)
        if flow is None:
            return None
        return restored(Flow, {**vars(flow), "trigger_conditions": thaw(flow.trigger_conditions)})


# Writing.


class LastWriteWins(Sound):
    """Doesn't compare revisions."""

    async def _replace(self, entity: Flow, now: datetime) -> Flow:
        stored = await self._get(entity.id)
        current = entity if stored is None else evolve(entity, revision=stored.revision)
        return await super()._replace(current, now)


class IgnoresTheLifecycle(Sound):
    """Lets any status follow any other."""

    def _replaced(self, transaction: Transaction, entity: Flow, now: datetime) -> Flow:
        stored = self._expected(transaction, entity.id, entity.revision)
        kept = {name: getattr(stored, name) for name in self.schema.maintained}
        made = self._raised({**vars(entity), **kept, "created_at": stored.created_at}, now)
        transaction.replace(self._name, made)
        return made


class OverwritesTheCount(Sound):
    """An update puts back the usage count that its caller once read."""

    def _replaced(self, transaction: Transaction, entity: Flow, now: datetime) -> Flow:
        stored = super()._replaced(transaction, entity, now)
        names = self.schema.maintained
        made = restored(Flow, {**vars(stored), **{name: getattr(entity, name) for name in names}})
        transaction.replace(self._name, made)
        return made


class PatchSkipsNone(Sound):
    """Takes None for `no change`."""

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Flow:
        given = {name: value for name, value in changes.items() if value is not None}
        return await super()._patch(id, expected_revision, given, now)


class DeleteIgnoresTheRevision(Sound):
    """Deletes what has changed since."""

    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        return await super()._delete(id, None)


class DeleteLeavesVersions(Sound):
    """Removes the flow alone."""

    def _forget(self, transaction: Transaction, id: Any) -> None:
        transaction.remove(self._name, id)


class CreatesOneByOne(Sound):
    """Leaves the first ones of a list whose last one is refused."""

    async def _insert(self, entities: Sequence[Flow]) -> None:
        for entity in entities:
            await super()._insert([entity])


class KeepsMicroseconds(Sound):
    """Takes the clock's time as it is."""

    def _raised(self, fields: dict[str, Any], now: datetime) -> Flow:
        made = super()._raised(fields, now)
        return restored(Flow, {**vars(made), "updated_at": now})


class KeepsNaiveTimes(Sound):
    """Drops the time zone."""

    def _raised(self, fields: dict[str, Any], now: datetime) -> Flow:
        made = super()._raised(fields, now)
        naive = made.updated_at.replace(tzinfo=None)
        return restored(Flow, {**vars(made), "updated_at": naive})


class CountsByReadingThenWriting(Sound):
    """Lets others in between."""

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        flow = await self.require(id)
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            count = flow.usage_count + amount
            changed = {"usage_count": count, "last_used_at": used_at}
            transaction.replace(self._name, restored(Flow, {**vars(flow), **changed}))
        return count


class SwapsTheDefaultInTwoSteps(Sound):
    """Leaves a moment without any default."""

    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        flow = await self.require(id)
        if flow.is_default:
            return flow
        flow.as_default()
        await self.unset_default(by=by)
        await asyncio.sleep(0)
        return await super()._swap_default(id, by, now)


class EnforcesNothingUnique(Store):
    """Has no unique keys."""

    def _tables(self, tenant: TenantId) -> Tables:
        tables = super()._tables(tenant)
        for table in tables.tables.values():
            table.unique = ()
        return tables


# Reading.


class OffsetBeforeOrder(Sound):
    """Sorts a page, not the list that it is cut from."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        page = await super()._select(evolve(selection, order=Order.of(None, self.schema)))
        return selection.order.sorted(page)


class NullsFirst(Sound):
    """As some databases do when ordering descending."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        found = await super()._select(evolve(selection, limit=10_000, offset=0, after=None))
        name = selection.order.keys[0].field.name
        found = sorted(found, key=lambda flow: getattr(flow, name) is not None)
        places = [selection.order.position(flow) for flow in found]
        start = 0 if selection.after is None else places.index(selection.after) + 1
        return found[start + selection.offset :][: selection.limit]


class CursorsAreOffsets(Sound):
    """A cursor stands for how many were read, so what comes before it shifts the rest."""

    offsets: ClassVar[dict[tuple[str, Position], int]] = {}

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        tenant = self._context.tenant
        start = 0 if selection.after is None else self.offsets[tenant, selection.after]
        found = await super()._select(evolve(selection, after=None, offset=start))
        for place, flow in enumerate(found, start + 1):
            self.offsets[tenant, selection.order.position(flow)] = place
        return found


class CountsEveryTenant(Sound):
    """Forgets the tenant when counting."""

    async def _count(self, criteria: Criteria) -> int:
        tenants = self.store._tenants.values()
        return sum(
            criteria.matches(flow)
            for tables in tenants
            for flow in tables.tables[self._name].rows.values()
        )


class JoinsTenantNames(Store):
    """Takes what follows a colon for a part of the key."""

    def _tables(self, tenant: TenantId) -> Tables:
        return super()._tables(TenantId(tenant.partition(":")[0]))


class IgnoresUnknownFields(Sound):
    """Drops what it doesn't know of a filter."""

    async def count(self, criteria: Any = None) -> int:
        if isinstance(criteria, Mapping):
            criteria = {name: x for name, x in criteria.items() if name in self.schema.fields}
        return await super().count(criteria)


class Misreads(Sound):
    """Gives some comparisons another meaning."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        return comparison.matches(entity)

    def _matching(self, view: Transaction, criteria: Criteria) -> Iterator[Flow]:
        for entity in super()._matching(view, And(schema=self.schema)):
            if self._holds(criteria, entity):
                yield entity

    def _holds(self, criteria: Criteria, entity: Flow) -> bool:
        parts: Iterable[bool] = (self._holds(part, entity) for part in criteria.parts)
        if isinstance(criteria, And):
            return all(parts)
        if isinstance(criteria, Or):
            return any(parts)
        if isinstance(criteria, Not):
            return not any(parts)
        if isinstance(criteria, Comparison):
            return self._means(criteria, entity)
        assert isinstance(criteria, Search)
        return criteria.matches(entity)


class LikeTakesWildcards(Misreads):
    """Hands `like` its text unescaped."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        value = getattr(entity, comparison.field.name)
        if comparison.operator is not Operator.CONTAINS or value is None:
            return super()._means(comparison, entity)
        signs = {"%": ".*", "_": "."}
        pattern = "".join(signs.get(sign) or re.escape(sign) for sign in comparison.operand)
        return re.search(pattern, value, re.DOTALL) is not None


class NullDiffers(Misreads):
    """Finds nulls with `ne`."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        if comparison.operator is Operator.NE:
            return bool(getattr(entity, comparison.field.name) != comparison.operand)
        return super()._means(comparison, entity)


class FoldsByLower(Misreads):
    """Takes lower case for folding."""

    def _means(self, comparison: Comparison, entity: Flow) -> bool:
        value = getattr(entity, comparison.field.name)
        if comparison.operator is Operator.ICONTAINS and value is not None:
            return comparison.operand.lower() in value.lower()
        return super()._means(comparison, entity)


class ComparesByUtf16(Sound):
    """Orders text by UTF-16 units, as some languages do."""

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        found = await super()._select(selection)
        return sorted(found, key=lambda flow: (flow.category or "").encode("utf-16-be"))


# Units of work.


class KeepsWhatItRollsBack(Store):
    """Commits on every exit."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[MemoryAuthoring]:
        session = UnitSession(self._tables(tenant))
        try:
            yield self._repositories(tenant, session)
        finally:
            session.commit()


class ShowsWhatIsNotCommitted(Store):
    """Writes at once, and calls it a unit."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[MemoryAuthoring]:
        yield self._repositories(tenant, SingleSession(self._tables(tenant)))


class _Undoomed(UnitSession):
    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        yield self.reading()


class ForgivesFailedWrites(Store):
    """Goes on after a write that failed."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[MemoryAuthoring]:
        session = _Undoomed(self._tables(tenant))
        try:
            yield self._repositories(tenant, session)
            session.commit()
        finally:
            session.end()


class ServesAfterTheEnd(Store):
    """A unit's repositories go on working when it has ended."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[MemoryAuthoring]:
        async with super().unit(tenant) as work:
            flows: Any = work.flows
            yield work
        flows._session = SingleSession(self._tables(tenant))
