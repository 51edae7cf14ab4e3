"""Tombstones in PostgreSQL. Each is seen and written as its tenant; what goes across tenants finds
out names and hashes by functions of the database's.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from adapters.postgres.columns import instant
from adapters.postgres.executor import Executor, Row
from adapters.postgres.statements import Statement
from adapters.postgres.tombstone_statements import (
    BURY,
    FIND,
    FORGET_USERS,
    KEYS,
    LIFT,
    NEWS,
    NOTE,
    OF_TENANT,
    PAST_KEYS,
    REMOVE_PAST,
    STAND,
    THESE,
)
from domain.erasure import Tombstone
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId
from domain.rules import restored
from ports.time import Clock
from ports.tombstones import STALENESS
from ports.view import Changes, ViewedTombstones

_PAGE: Final = 500


class PostgresTombstones(ViewedTombstones):
    """Of every tenant in this database. Single statements, each atomic."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        *,
        deadline: float,
        staleness: timedelta = STALENESS,
    ) -> None:
        super().__init__(deadline, staleness)
        self._executor = executor
        self._clock = clock

    def within(self, executor: Executor) -> "PostgresTombstones":
        """The same in a transaction: to note what went where it goes."""
        return PostgresTombstones(executor, self._clock, deadline=0)

    async def _bury(self, tombstone: Tombstone) -> Tombstone:
        values = {
            "tenant": tombstone.tenant_id,
            "hash": tombstone.user_hash or "",
            "user": tombstone.user_id,
            "at": tombstone.at,
            "until": tombstone.until,
            "erased": _json(tombstone.erased),
            "finished_at": tombstone.finished_at,
            "now": self._clock.now(),
        }
        return _tombstone((await self._write(BURY, values))[0])

    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None:
        values = {"tenant": tenant, "hash": user or "", "now": self._clock.now()}
        rows = await self._read(FIND, values)
        return _tombstone(rows[0]) if rows else None

    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        values = {
            "tenant": tenant,
            "hash": user or "",
            "erased": _json(erased),
            "finished_at": finished_at,
            "now": self._clock.now(),
        }
        rows = await self._write(NOTE, values)
        return _tombstone(rows[0]) if rows else None

    async def _lift(self, tenant: TenantId, user: str | None) -> bool:
        rows = await self._write(LIFT, {"tenant": tenant, "hash": user or ""})
        return bool(rows) and instant(rows[0][0]) > self._clock.now()

    async def _standing(
        self, tenant: TenantId | None, unfinished: bool
    ) -> AsyncIterator[Tombstone]:
        pages = self._everybodys(unfinished) if tenant is None else self._tenants(tenant)
        async for page in pages:
            for row in page:
                found = _tombstone(row)
                if not (unfinished and found.finished_at):
                    yield found

    async def _tenants(self, tenant: TenantId) -> AsyncIterator[Sequence[Row]]:
        values = {"tenant": tenant, "hash": "", "now": self._clock.now(), "limit": _PAGE}
        own = await self._read(FIND, values)
        yield own
        while True:
            rows = await self._read(OF_TENANT, values)
            yield rows
            if len(rows) < _PAGE:
                return
            values["hash"] = rows[-1][1]

    async def _everybodys(self, unfinished: bool) -> AsyncIterator[Sequence[Row]]:
        values = {"tenant": "", "hash": "", "limit": _PAGE, "unfinished": unfinished}
        while True:
            keys = await self._read(KEYS, values)
            for tenant, hashes in _by_tenant(keys).items():
                yield await self._read(
                    THESE, {"tenant": tenant, "hashes": hashes, "now": self._clock.now()}
                )
            if len(keys) < _PAGE:
                return
            values["tenant"], values["hash"] = keys[-1]

    async def _forget_users(self, tenant: TenantId, limit: int) -> tuple[int, bool]:
        values = {"tenant": tenant, "limit": limit}
        gone = await self._executor.affect(FORGET_USERS.sql, FORGET_USERS.arguments(values))
        return gone, gone == limit

    async def _purge(self, now: datetime, limit: int) -> tuple[int, bool]:
        keys = await self._read(PAST_KEYS, {"now": now, "limit": limit})
        gone = 0
        for tenant, hashes in _by_tenant(keys).items():
            values = {"tenant": tenant, "hashes": hashes, "now": now}
            gone += await self._executor.affect(REMOVE_PAST.sql, REMOVE_PAST.arguments(values))
        return gone, len(keys) == limit

    # What the gate asks.

    async def changes(self, place: Any, limit: int) -> Changes:
        rows = await self._read(NEWS, {"after": place or 0, "limit": limit})
        return Changes(
            place=rows[-1][0] if rows else place,
            tenants=[TenantId(row[1]) for row in rows if row[1] is not None],
            users=[row[2] for row in rows if row[1] is None],
            more=len(rows) == limit,
        )

    async def stand(
        self, tenant: TenantId, users: Sequence[str], *, own: bool
    ) -> Collection[str | None]:
        hashes = ["", *users] if own else users
        values = {"tenant": tenant, "hashes": hashes, "now": self._clock.now()}
        return {row[0] or None for row in await self._read(STAND, values)}

    async def _read(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return await self._executor.read(statement.sql, statement.arguments(values))

    async def _write(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        return await self._executor.write(statement.sql, statement.arguments(values))


def _json(counts: Mapping[str, int]) -> str:
    return orjson.dumps(dict(counts)).decode()


def _tombstone(row: Row) -> Tombstone:
    tenant, hash, user, at, until, erased, finished = row
    return restored(
        Tombstone,
        {
            "tenant_id": TenantId(tenant),
            "user_id": None if user is None else UserId(user),
            "user_hash": hash or None,
            "at": instant(at),
            "until": instant(until),
            "erased": FrozenDict.holding(orjson.loads(erased)),
            "finished_at": None if finished is None else instant(finished),
        },
    )


def _by_tenant(keys: Sequence[Row]) -> dict[TenantId, list[str]]:
    found: dict[TenantId, list[str]] = {}
    for tenant, hash in keys:
        found.setdefault(TenantId(tenant), []).append(hash)
    return found
