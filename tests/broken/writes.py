"""Faults in what is written, and in what callers hold of it: as real adapters have had them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.tables import Tables, Transaction
from domain.documents import thaw
from domain.flows import Flow
from domain.identity import TenantId
from domain.rules import restored


class ChangesItsArgument(MemoryFlowRepository):
    """Raises the revision of the caller's own entity."""

    async def _replace(self, entity: Flow, now: datetime) -> Flow:
        stored = await super()._replace(entity, now)
        object.__setattr__(entity, "revision", stored.revision)
        return stored


class CountsInPlace(MemoryFlowRepository):
    """Counts in the very entity that callers hold."""

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        flow: Flow | None = await self._get(id)
        if flow is None:
            return await super()._count_use(id, amount, used_at)
        vars(flow)["usage_count"] += amount
        return flow.usage_count


class HandsOutMutableDocuments(MemoryFlowRepository):
    """Returns plain dicts where the entity had immutable ones."""

    async def _get(self, id: UUID) -> Flow | None:
        flow = await super()._get(id)
        if flow is None:
            return None
        return restored(Flow, {**vars(flow), "trigger_conditions": thaw(flow.trigger_conditions)})


class LastWriteWins(MemoryFlowRepository):
    """Doesn't compare revisions."""

    async def _replace(self, entity: Flow, now: datetime) -> Flow:
        stored = await self._get(entity.id)
        current = entity if stored is None else evolve(entity, revision=stored.revision)
        return await super()._replace(current, now)


class IgnoresTheLifecycle(MemoryFlowRepository):
    """Lets any status follow any other."""

    def _replaced(self, transaction: Transaction, entity: Flow, now: datetime) -> Flow:
        stored = self._expected(transaction, entity.id, entity.revision)
        kept = {name: getattr(stored, name) for name in self.schema.maintained}
        made = self._raised({**vars(entity), **kept, "created_at": stored.created_at}, now)
        transaction.replace(self._name, made)
        return made


class OverwritesTheCount(MemoryFlowRepository):
    """An update puts back the usage count that its caller once read."""

    def _replaced(self, transaction: Transaction, entity: Flow, now: datetime) -> Flow:
        stored = super()._replaced(transaction, entity, now)
        names = self.schema.maintained
        made = restored(Flow, {**vars(stored), **{name: getattr(entity, name) for name in names}})
        transaction.replace(self._name, made)
        return made


class PatchSkipsNone(MemoryFlowRepository):
    """Takes None for `no change`."""

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Flow:
        given = {name: value for name, value in changes.items() if value is not None}
        return await super()._patch(id, expected_revision, given, now)


class DeleteIgnoresTheRevision(MemoryFlowRepository):
    """Deletes what has changed since."""

    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        return await super()._delete(id, None)


class DeleteLeavesVersions(MemoryFlowRepository):
    """Removes the flow alone."""

    def _forget(self, transaction: Transaction, id: Any) -> None:
        transaction.remove(self._name, id)


class CreatesOneByOne(MemoryFlowRepository):
    """Leaves the first ones of a list whose last one is refused."""

    async def _insert(self, entities: Sequence[Flow]) -> None:
        for entity in entities:
            await super()._insert([entity])


class KeepsMicroseconds(MemoryFlowRepository):
    """Takes the clock's time as it is."""

    def _raised(self, fields: dict[str, Any], now: datetime) -> Flow:
        made = super()._raised(fields, now)
        return restored(Flow, {**vars(made), "updated_at": now})


class KeepsNaiveTimes(MemoryFlowRepository):
    """Drops the time zone."""

    def _raised(self, fields: dict[str, Any], now: datetime) -> Flow:
        made = super()._raised(fields, now)
        naive = made.updated_at.replace(tzinfo=None)
        return restored(Flow, {**vars(made), "updated_at": naive})


class CountsByReadingThenWriting(MemoryFlowRepository):
    """Lets others in between."""

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        flow = await self.require(id)
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            count = flow.usage_count + amount
            changed = {"usage_count": count, "last_used_at": used_at}
            transaction.replace(self._name, restored(Flow, {**vars(flow), **changed}))
        return count


class SwapsTheDefaultInTwoSteps(MemoryFlowRepository):
    """Leaves a moment without any default."""

    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        flow = await self.require(id)
        if flow.is_default:
            return flow
        flow.as_default()
        await self.unset_default(by=by)
        await asyncio.sleep(0)
        return await super()._swap_default(id, by, now)


class EnforcesNothingUnique(MemoryAuthoringStore):
    """Has no unique keys."""

    def _tables(self, tenant: TenantId) -> Tables:
        tables = super()._tables(tenant)
        for name, table in tables.tables.items():
            if table.unique:
                tables.tables[name] = evolve(table, unique=())
        return tables
