"""How tests go behind the audit trail of our adapters."""

from collections.abc import Mapping
from uuid import UUID

import orjson

from adapters.memory.audit import ANCHORS, ENTRIES, HEADS, UNSEALED, in_turn
from adapters.memory.session import SingleSession
from adapters.memory.store import MemoryAuthoringStore
from domain.audit import AuditEntry, AuditHead
from domain.identity import TenantId

_ONLY = 0


def tamper_memory(
    store: MemoryAuthoringStore, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]
) -> None:
    """Put entries under their ids, or nothing, into the tables of a store in memory."""
    session = SingleSession(store._tables(tenant))
    with session.writing() as transaction:
        for id in entries:
            stood: AuditEntry | None = transaction.get(ENTRIES, id)
            if stood is not None:
                transaction.remove(ENTRIES, id)
                transaction.remove(UNSEALED, in_turn(stood))
    with session.writing() as transaction:
        for entry in entries.values():
            if entry is not None:
                transaction.insert(ENTRIES, entry)
                if not entry.is_sealed:
                    transaction.insert(UNSEALED, entry)


def tamper_memory_head(
    store: MemoryAuthoringStore, tenant: TenantId, head: AuditHead | None
) -> None:
    """Make it the head, or take it away."""
    _put(store, tenant, HEADS, head)


def tamper_memory_anchor(
    store: MemoryAuthoringStore, tenant: TenantId, anchor: AuditHead | None
) -> None:
    """Make it the anchor, or take it away."""
    _put(store, tenant, ANCHORS, anchor)


def _put(
    store: MemoryAuthoringStore, tenant: TenantId, table: str, place: AuditHead | None
) -> None:
    with SingleSession(store._tables(tenant)).writing() as transaction:
        if place is None:
            transaction.remove(table, _ONLY)
        else:
            transaction.replace(table, place)


async def tamper_postgres(
    url: str, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]
) -> None:
    """Put entries under their ids, or nothing, into the table, as whoever owns it."""
    import asyncpg  # for those who ask for it

    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('dialogbase.tenant', $1, true)", tenant)
            await connection.execute(
                "DELETE FROM audit_entries WHERE tenant_id = $1 AND id = ANY($2)",
                tenant,
                list(entries),
            )
            for entry in entries.values():
                if entry is not None:
                    await connection.execute(_PUT, *_row(entry))
    finally:
        await connection.close()


async def tamper_postgres_head(url: str, tenant: TenantId, head: AuditHead | None) -> None:
    """Make it the head, or take it away, as whoever owns the table."""
    await _put_into(url, tenant, "audit_heads", head)


async def tamper_postgres_anchor(url: str, tenant: TenantId, anchor: AuditHead | None) -> None:
    """Make it the anchor, or take it away, as whoever owns the table."""
    await _put_into(url, tenant, "audit_anchors", anchor)


async def _put_into(url: str, tenant: TenantId, table: str, head: AuditHead | None) -> None:
    import asyncpg  # for those who ask for it

    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('dialogbase.tenant', $1, true)", tenant)
            await connection.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)
            if head is not None:
                await connection.execute(
                    f"INSERT INTO {table} (tenant_id, sequence, digest) VALUES ($1, $2, $3)",
                    tenant,
                    head.sequence,
                    head.digest,
                )
    finally:
        await connection.close()


_COLUMNS = (
    *("tenant_id", "id", "at", "actor", "reason", "action", "entity_type", "entity_id"),
    *("revision", "position", "sequence", "digest"),
)
_PUT = (
    f"INSERT INTO audit_entries ({', '.join(_COLUMNS)}, changes) OVERRIDING SYSTEM VALUE VALUES"
    f" ({', '.join(f'${n + 1}' for n in range(len(_COLUMNS)))}, ${len(_COLUMNS) + 1}::json)"
)


def _row(entry: AuditEntry) -> list[object]:
    changes = {name: [change.before, change.after] for name, change in entry.changes.items()}
    return [*(getattr(entry, name) for name in _COLUMNS), orjson.dumps(changes).decode()]
