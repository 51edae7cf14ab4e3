"""Executions that aren't counted yet, in MongoDB: events with a mark, by which they are found."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from adapters.mongo.collections import EVENTS, EVER, UNCOUNTED
from adapters.mongo.executor import Document, Executor
from adapters.mongo.values import instant
from domain.analytics import AnalyticsEvent
from domain.identity import TenantId
from ports.errors import CorruptRecordError
from ports.flow_projection import ExecutionQueue, Uncounted, UncountedExecution

_NAME: Final = EVENTS.name
_MAPPER: Final = EVENTS.mapper
_DUE: Final = f"{UNCOUNTED}.due"
_SINCE: Final = f"{UNCOUNTED}.since"


def uncounted(now: datetime | None = None) -> Document:
    """The condition on what isn't counted and, with a time, is due by then. The lower bound is what
    the index has as its own condition, without which it isn't used."""
    return {_DUE: {"$gte": EVER} if now is None else {"$gte": EVER, "$lte": now}}


COUNT: Final[list[Document]] = [
    {"$match": uncounted()},
    {"$group": {"_id": None, "n": {"$sum": 1}, "oldest": {"$min": f"${_SINCE}"}}},
]
"""How many aren't counted, and since when: what the index itself says."""


class MongoExecutionQueue(ExecutionQueue):
    """Of every tenant's events."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def take(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[UncountedExecution]:
        found = await self._executor.find(_NAME, uncounted(now), sort=[(_DUE, 1)], limit=limit)
        taken = [_execution(document) for document in found]
        # Whatever another took meanwhile, or put off for longer, stays as that one has it.
        await self._put(taken, until, uncounted(now))
        return taken

    async def settle(self, executions: Iterable[UncountedExecution]) -> None:
        done = list(executions)
        if wanted := _keys(done):
            wanted[_SINCE] = {"$in": list({one.since for one in done})}
            await self._executor.update_many(_NAME, wanted, {"$unset": {UNCOUNTED: ""}})

    async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
        await self._put(executions, until, uncounted())

    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        count = COUNT
        if tenant is not None:
            count = [{"$match": {**uncounted(), "tenant_id": tenant}}, *COUNT[1:]]
        for told in await self._executor.aggregate(_NAME, count):
            return Uncounted(number=int(told["n"]), oldest=instant(told["oldest"]))
        return Uncounted(number=0, oldest=None)

    async def _put(
        self, executions: Iterable[UncountedExecution], until: datetime, still: Document
    ) -> None:
        if wanted := _keys(executions):
            change = {"$set": {_DUE: until}}
            await self._executor.update_many(_NAME, {**wanted, **still}, change)


def _keys(executions: Iterable[UncountedExecution]) -> Document:
    keys = [_MAPPER.key(one.tenant, one.id) for one in executions]
    return {"_id": {"$in": keys}} if keys else {}


def _execution(document: Document) -> UncountedExecution:
    # The validator sees to it that a key begins with its tenant's name.
    tenant = TenantId(document["tenant_id"])
    event: AnalyticsEvent | None = None
    with suppress(CorruptRecordError):
        event = _MAPPER.restored(document)
    return UncountedExecution(
        tenant=tenant,
        id=document["_id"][len(tenant) + 1 :],
        since=instant(document[UNCOUNTED]["since"]),
        event=event,
    )
