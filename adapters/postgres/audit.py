"""The audit trail in PostgreSQL: its entries are written by the statements of `trail`."""

import asyncio
from datetime import datetime

from adapters.postgres import audit_statements as sql
from adapters.postgres.errors import Undecodable
from adapters.postgres.executor import Executor
from adapters.postgres.reading import PostgresReading
from adapters.postgres.statements import Statement
from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.identity import TenantId
from domain.rules import restored
from ports.audit import AuditLog
from ports.errors import CorruptRecordError, TransactionError, UnsupportedOperationError
from ports.retention import purgeable

_BATCH = 250
_BYTES = 1024 * 1024
"""What is sealed in one transaction, and in memory together: entries, and bytes of their changes as
the server keeps them (an entry that is larger goes by itself)."""
_BREATH = 10
"""Entries after which other tasks get a turn: digests are work for the processor."""
_NAME = AuditLog.schema.name


class PostgresAuditLog(PostgresReading[AuditEntry], AuditLog):
    """The trail of a tenant.

    Sealing a batch is one transaction of six statements under an advisory lock of the tenant's.
    What is sealed later may have a lower position: it was committed later, and is another entity's.
    """

    relation = sql.RELATION

    async def _head(self) -> AuditHead:
        return await _head(self._executor, self._tenant)

    async def _anchor(self) -> AuditHead:
        return await _place(self._executor, sql.ANCHOR, self._tenant)

    async def _seal(self, limit: int) -> int:
        if self._executor.in_snapshot:
            raise UnsupportedOperationError("a unit of work seals nothing: ask the scope's audit")
        return await seal(self._executor, self._tenant, limit)


async def seal(executor: Executor, tenant: TenantId, limit: int) -> int:
    """As `AuditLog.seal` promises, for whoever has no log of the tenant; in batches."""
    sealed, more = 0, True
    while more and sealed < limit:
        batch, more = await _sealed(executor, tenant, min(_BATCH, limit - sealed))
        sealed += batch
    return sealed


async def _sealed(executor: Executor, tenant: TenantId, limit: int) -> tuple[int, bool]:
    """How many, and whether there may be more."""

    async def in_turn(executor: Executor) -> tuple[int, bool]:
        await executor.read(sql.LOCK.sql, [tenant])
        head = await _head(executor, tenant)
        place = {"tenant": tenant, "sequence": head.sequence}
        for id, sequence, digest in await executor.read(
            sql.AT_END.sql, sql.AT_END.arguments(place)
        ):
            if sequence > head.sequence or digest != head.digest:
                raise CorruptRecordError(_NAME, id, ("sequence",))
        return await _chained(executor, tenant, head, limit)

    try:
        return await executor.atomically(in_turn)
    except Undecodable:
        failure = CorruptRecordError(_NAME, None)
    raise failure


async def purge(
    executor: Executor, tenant: TenantId, before: datetime, limit: int
) -> tuple[int, bool]:
    """Remove the first entries of a tenant's chain that are old enough: one batch."""

    async def in_turn(executor: Executor) -> tuple[int, bool]:
        await executor.read(sql.LOCK.sql, [tenant])
        anchor = await _place(executor, sql.ANCHOR, tenant)
        head = await _head(executor, tenant)
        oldest = {"tenant": tenant, "limit": limit, "bytes": _BYTES}
        rows = await executor.read(sql.OLDEST.sql, sql.OLDEST.arguments(oldest))
        entries = [sql.RELATION.mapper.restored(row[:-1]) for row in rows]
        through = purgeable(anchor, head, entries, before)
        if through == anchor:
            return 0, False
        asked = {
            "tenant": tenant,
            "anchored": anchor.sequence,
            "through": through.sequence,
            "before": before,
        }
        found = await executor.write(sql.PURGE_AUDIT.sql, sql.PURGE_AUDIT.arguments(asked))
        gone: int = found[0][0]
        return gone, gone == limit or (gone == len(rows) < rows[0][-1])

    try:
        return await executor.atomically(in_turn)
    except Undecodable:
        failure = CorruptRecordError(_NAME, None)
    raise failure


async def _head(executor: Executor, tenant: TenantId) -> AuditHead:
    return await _place(executor, sql.HEAD, tenant)


async def _place(executor: Executor, statement: Statement, tenant: TenantId) -> AuditHead:
    rows = await executor.read(statement.sql, [tenant])
    if not rows:
        return NO_ENTRY
    sequence, digest = rows[0]
    return restored(AuditHead, {"sequence": sequence, "digest": digest})


async def _chained(
    executor: Executor, tenant: TenantId, head: AuditHead, limit: int
) -> tuple[int, bool]:
    pending = {"tenant": tenant, "limit": limit, "bytes": _BYTES}
    rows = await executor.read(sql.UNSEALED.sql, sql.UNSEALED.arguments(pending))
    if not rows:
        return 0, False
    sealed: list[AuditEntry] = []
    found = rows[0][-1]
    for *row, _ in rows:
        entry, head = head.followed_by(sql.RELATION.mapper.restored(row))
        sealed.append(entry)
        if len(sealed) % _BREATH == 0:
            await asyncio.sleep(0)
    places = {
        "tenant": tenant,
        "ids": [entry.id for entry in sealed],
        "sequences": [entry.sequence for entry in sealed],
        "digests": [entry.digest for entry in sealed],
        "position": sealed[-1].position,
    }
    if await executor.affect(sql.SEAL.sql, sql.SEAL.arguments(places)) < len(sealed):
        raise TransactionError("entries were removed while they were sealed")
    moved = {"tenant": tenant, "sequence": head.sequence, "digest": head.digest}
    await executor.affect(sql.MOVE_HEAD.sql, sql.MOVE_HEAD.arguments(moved))
    return len(sealed), found > len(sealed) or found == limit
