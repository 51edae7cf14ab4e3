"""Integrations in PostgreSQL: what isn't the same for every entity."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.postgres import integration_statements as sql
from adapters.postgres.executor import Executor, Row
from adapters.postgres.reading import PostgresReading
from adapters.postgres.repository import PostgresRepository, writing
from adapters.sealing import Vault, token_of
from domain.identity import TenantId
from domain.integrations import Integration, IntegrationCall, IntegrationHealth
from domain.rules import checked, instant, restored
from domain.secrets import Secret
from ports.errors import CorruptRecordError, EncryptionKeyError, EntityNotFoundError
from ports.integrations import CALL_SCHEMA, IntegrationRepository, RecordedCall, Rotation
from ports.reading import Context

_HEALTH = {member.value: member for member in IntegrationHealth}
_COUNTS = ("call_count", "failure_count", "consecutive_failures", "latency_total_ms")


class PostgresCallLog(PostgresReading[IntegrationCall]):
    """The calls of a tenant's integrations."""

    schema = CALL_SCHEMA
    relation = sql.CALLS


class PostgresIntegrationRepository(PostgresRepository[Integration], IntegrationRepository):
    """Integrations and their calls. Credentials are sealed on their way in; on their way out they
    are bound to their row, and opened when somebody reveals them.
    """

    relation = sql.RELATION

    def __init__(self, context: Context, executor: Executor) -> None:
        super().__init__(context, executor)
        self._vault = Vault(context.secrets, context.tenant, self.schema.name, "credentials")

    async def _insert(self, entities: Sequence[Integration]) -> None:
        await super()._insert([self._sealed(entity) for entity in entities])

    async def _replace(self, entity: Integration, now: datetime) -> Integration:
        if entity.credentials is not None:
            credentials = await self._standing_for(entity.id, entity.credentials)
            entity = restored(Integration, {**vars(entity), "credentials": credentials})
        return await super()._replace(self._sealed(entity), now)

    async def _patch(
        self, id: UUID, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Integration:
        secret = changes.get("credentials")
        if secret is not None:
            secret = await self._standing_for(id, secret)
            changes = {**changes, "credentials": self._vault.sealed(id, secret)}
        return await super()._patch(id, expected_revision, changes, now)

    async def _get(self, id: UUID) -> Integration | None:
        found = await super()._get(id)
        return None if found is None else self._bound(found)

    def _entities(self, rows: Sequence[Row]) -> list[Integration]:
        return [self._bound(entity) for entity in super()._entities(rows)]

    async def _standing_for(self, id: UUID, secret: Secret) -> Secret:
        if self._vault.stores(id, secret):
            return secret
        return self._vault.standing(id, secret, await self._credentials(id))

    def _sealed(self, entity: Integration) -> Integration:
        if entity.credentials is None:
            return entity
        sealed = self._vault.sealed(entity.id, entity.credentials)
        return restored(Integration, {**vars(entity), "credentials": sealed})

    def _bound(self, entity: Integration) -> Integration:
        """The entity of a row, which nobody else holds yet."""
        if entity.credentials is not None:
            bound = self._vault.bound(entity.id, token_of(entity.credentials))
            vars(entity)["credentials"] = bound
        return entity

    def _log(self, id: UUID) -> PostgresCallLog:
        return PostgresCallLog(self._context, self._executor)

    async def _credentials(self, id: UUID) -> Secret | None:
        rows = await self._read(sql.CREDENTIALS.sql, (self._tenant, id))
        if not rows or rows[0][0] is None:
            return None
        return self._vault.bound(id, rows[0][0])

    @writing
    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        row = sql.CALLS.mapper.row(call)
        row["id"], row["call_id"] = call.integration_id, call.id
        row["tenant"], row["now"] = self._tenant, instant(now)
        row["event_id"] = self._context.ids.new_uuid()
        row["actor"] = self._context.author.actor
        rows: list[Row] = []
        while not rows:
            for statement in (sql.RECORD_CALL, sql.RECORD_CHANGE):
                arguments = statement.arguments(row)
                if rows := await self._executor.write(statement.sql, arguments):
                    break
            else:
                await self._uncounted(call)
        sequence, health, failures, changed = rows[0]
        return RecordedCall(
            call=restored(IntegrationCall, {**vars(call), "sequence": sequence}),
            health=_HEALTH[health],
            consecutive_failures=failures,
            health_changed=changed,
        )

    async def _uncounted(self, call: IntegrationCall) -> None:
        """Raise why a call wasn't recorded; return if that is no longer so."""
        id = call.integration_id
        rows = await self._executor.read(sql.COUNTS.sql, (self._tenant, id))
        if not rows:
            raise EntityNotFoundError(self.schema.name, id)
        failed = 0 if call.success else 1
        added = (1, failed, failed, call.latency_ms)
        for name, count, more in zip(_COUNTS, rows[0], added, strict=True):
            checked(Integration, name, count + more)

    @writing
    async def _purge_calls(self, before: datetime, limit: int) -> tuple[int, bool]:
        return await purge_calls(self._executor, self._tenant, before, limit)

    @writing
    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        values: dict[str, Any] = {
            "tenant": self._tenant,
            "prefix": self._vault.prefix,
            "after": rotation.after,
            "limit": limit,
        }
        stale = sql.STALE_CREDENTIALS
        rows = await self._read(stale.sql, stale.arguments(values))
        anew: list[tuple[UUID, str, str]] = []
        for id, stood in rows:
            try:
                sealed = self._vault.resealed(id, self._vault.bound(id, stood))
                anew.append((id, stood, token_of(sealed)))
            except (EncryptionKeyError, CorruptRecordError) as failure:
                rotation.failed(failure)
        done = 0
        if anew:
            values["ids"], values["stood"], values["sealed"] = zip(*anew, strict=True)
            arguments = sql.SEAL_ANEW.arguments(values)
            done = await self._executor.affect(sql.SEAL_ANEW.sql, arguments)
        if rows:
            rotation.after = rows[-1][0]
        return done, len(rows) == limit


async def purge_calls(
    executor: Executor, tenant: TenantId, before: datetime, limit: int
) -> tuple[int, bool]:
    """Remove a batch of a tenant's oldest calls; how many, and whether there may be more."""
    values = {"tenant": tenant, "before": before, "limit": limit}
    purged = await executor.affect(sql.PURGE_CALLS.sql, sql.PURGE_CALLS.arguments(values))
    return purged, purged == limit
