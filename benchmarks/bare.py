"""The bare driver: asyncpg on a pool of its own that resets nothing, and statements by hand.

It maps nothing and returns the driver's own rows; what it writes are rows that our adapter wrote
before, column by column, so that it stores the very same bytes. It audits nothing, leaves nothing
in the outbox, and connects as the tables' owner, for whom row-level security doesn't hold.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import attrs

from adapters.system import SystemClock, Uuid7Generator
from domain.flows import Flow

Row = tuple[Any, ...]
TABLE = "flows"
_FIELDS = frozenset(field.name for field in attrs.fields(Flow))


async def no_reset(_: Any) -> None:
    """What the pool does when a connection comes back: nothing, since nothing was set on it."""


async def open_pool(url: str, connections: int) -> "asyncpg.Pool[Any]":
    """All connections are opened now, none later."""
    return await asyncpg.create_pool(
        url, min_size=connections, max_size=connections, reset=no_reset
    )


class Bare:
    """Statements over the table of flows, whatever columns the migrations gave it."""

    def __init__(self, pool: "asyncpg.Pool[Any]", columns: Sequence[str]) -> None:
        self.pool = pool
        self.columns = tuple(columns)
        self.place = {name: index for index, name in enumerate(self.columns)}
        self.read = ", ".join(name for name in self.columns if name in _FIELDS)
        self.written = ", ".join(self.columns)
        self._ids = Uuid7Generator(SystemClock())
        slots = ", ".join(f"${number + 1}" for number in range(len(self.columns)))
        self._get = f"SELECT {self.read} FROM {TABLE} WHERE tenant_id = $1 AND id = $2"
        self._insert = f"INSERT INTO {TABLE} ({self.written}) VALUES ({slots})"
        changed = [name for name in self.columns if name not in _KEPT]
        self._changed = [self.place[name] for name in changed]
        self._update = (
            f"UPDATE {TABLE} SET revision = revision + 1, "
            + ", ".join(f"{name} = ${number}" for number, name in enumerate(changed, 4))
            + " WHERE tenant_id = $1 AND id = $2 AND revision = $3"
            + " RETURNING revision, created_at, usage_count, last_used_at"
        )
        self._patch = (
            f"UPDATE {TABLE} SET description = $3, description_folded = $4, updated_at = $5, "
            f"revision = revision + 1 WHERE tenant_id = $1 AND id = $2 RETURNING {self.read}"
        )
        self._newest = (
            f"SELECT {self.read} FROM {TABLE} WHERE tenant_id = $1 "
            "ORDER BY created_at DESC, id DESC LIMIT 51"
        )

    @classmethod
    async def of(cls, pool: "asyncpg.Pool[Any]") -> "Bare":
        """With the columns that the table has; generated ones can't be written."""
        found = await pool.fetch(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = $1 AND is_generated = 'NEVER' AND table_schema = current_schema() "
            "ORDER BY ordinal_position",
            TABLE,
        )
        return cls(pool, [row["column_name"] for row in found])

    async def get(self, tenant: str, id: UUID, on: Any = None) -> Any:
        """One row by its key. `on`: the connection of a transaction, else any."""
        return await (on or self.pool).fetchrow(self._get, tenant, id)

    async def exists(self, tenant: str, id: UUID, on: Any = None) -> Any:
        """Whether there is one."""
        return await (on or self.pool).fetchval(_EXISTS, tenant, id)

    async def insert(self, row: Row, on: Any = None) -> None:
        """One row."""
        await (on or self.pool).execute(self._insert, *row)

    async def replace(self, row: Row, on: Any = None) -> Any:
        """Compare-and-set: all that an update changes, if the revision still is the row's."""
        place = self.place
        return await (on or self.pool).fetchrow(
            self._update,
            row[place["tenant_id"]],
            row[place["id"]],
            row[place["revision"]],
            *[row[index] for index in self._changed],
        )

    async def describe(self, tenant: str, id: UUID, text: str) -> Any:
        """Set the description, whatever the revision is; the whole row comes back."""
        return await self.pool.fetchrow(
            self._patch, tenant, id, text, text.casefold(), datetime.now(UTC)
        )

    async def delete(self, tenant: str, id: UUID) -> str:
        """One row by its key."""
        tag: str = await self.pool.execute(_DELETE, tenant, id)
        return tag

    async def drop(self, tenant: str, but: Sequence[UUID] = ()) -> None:
        """Delete a tenant's rows, but for some, and what was told of any."""
        await self.pool.execute(_DROP, tenant, but)
        for trail in _TRAIL:
            await self.pool.execute(f"DELETE FROM {trail} WHERE tenant_id = $1", tenant)

    async def newest(self, tenant: str) -> list[Any]:
        """A page of 50, and the one more that tells if there is a next page."""
        found: list[Any] = await self.pool.fetch(self._newest, tenant)
        return found

    async def copy(self, rows: Sequence[Row]) -> None:
        """All rows by COPY, in a transaction by itself."""
        async with self.pool.acquire() as connection:
            await connection.copy_records_to_table(TABLE, records=rows, columns=self.columns)

    async def ids(self, tenant: str) -> list[UUID]:
        """The ids of all of a tenant's rows."""
        found = await self.pool.fetch(f"SELECT id FROM {TABLE} WHERE tenant_id = $1", tenant)
        return [UUID(int=row["id"].int) for row in found]

    async def stored(self, tenant: str) -> list[Row]:
        """Every row of a tenant as it would be written."""
        found = await self.pool.fetch(
            f"SELECT {self.written} FROM {TABLE} WHERE tenant_id = $1 ORDER BY id", tenant
        )
        return [tuple(row) for row in found]

    def under(self, tenant: str, rows: Sequence[Row]) -> list[Row]:
        """The same rows for another tenant, with ids of their own."""
        changes = {"tenant_id": tenant}
        return [self.altered(row, {**changes, "id": self._ids.new_uuid()}) for row in rows]

    def altered(self, row: Row, changes: Mapping[str, Any]) -> Row:
        """A row with some columns set."""
        values = list(row)
        for name, value in changes.items():
            values[self.place[name]] = value
        return tuple(values)


_KEPT = frozenset({"tenant_id", "id", "revision", "created_at", "usage_count", "last_used_at"})
_EXISTS = f"SELECT EXISTS (SELECT 1 FROM {TABLE} WHERE tenant_id = $1 AND id = $2)"
_DELETE = f"DELETE FROM {TABLE} WHERE tenant_id = $1 AND id = $2"
_TRAIL = ("audit_entries", "outbox")
_DROP = f"DELETE FROM {TABLE} WHERE tenant_id = $1 AND id <> ALL ($2::uuid[])"
