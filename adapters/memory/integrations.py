"""Integrations in memory: what isn't the same for every entity."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import dropwhile, islice
from typing import Any
from uuid import UUID

from adapters.memory.outbox import EVENTS, outbox_row
from adapters.memory.reading import MemoryReading
from adapters.memory.repository import MemoryRepository
from adapters.memory.session import Session
from adapters.memory.tables import Table, Transaction
from adapters.sealing import Vault, token_of
from domain.audit import AuditAction
from domain.integrations import Integration, IntegrationCall
from domain.outbox import ChangeEvent
from domain.rules import instant, restored
from domain.secrets import Secret
from ports.errors import CorruptRecordError, EncryptionKeyError
from ports.integrations import (
    CALL_SCHEMA,
    IntegrationRepository,
    RecordedCall,
    Rotation,
)
from ports.reading import Context, Selection

CALLS = CALL_SCHEMA.name


def old_calls(calls: Iterable[IntegrationCall], before: datetime) -> list[IntegrationCall]:
    """Those made before a time, the oldest first."""
    return sorted((call for call in calls if call.at < before), key=lambda call: call.at)


class MemoryCallLog(MemoryReading[IntegrationCall]):
    """The calls of one integration, read from the end: no page depends on how long the log is."""

    schema = CALL_SCHEMA

    def __init__(self, context: Context, session: Session, integration_id: UUID) -> None:
        super().__init__(context, session)
        self._of = integration_id

    async def _select(self, selection: Selection) -> Sequence[IntegrationCall]:
        view = self._session.reading()
        if not view.pristine:
            return await super()._select(selection)
        places: dict[int, IntegrationCall] = view.table(CALLS).places.get(self._of, {})
        # They were recorded, and so put there, in their order.
        found: Iterable[IntegrationCall] = (places[number] for number in reversed(places))
        if selection.after is not None:
            before = selection.after[0]
            found = dropwhile(lambda call: call.sequence >= before, found)
        return list(islice(filter(selection.criteria.matches, found), selection.limit))


class MemoryIntegrationRepository(MemoryRepository[Integration], IntegrationRepository):
    """Integrations and their calls. Credentials are sealed if the store was given a box for it;
    nothing is written down, so it does without.
    """

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__(context, session)
        self._vault = Vault(context.secrets, context.tenant, self._name, "credentials")

    @classmethod
    def tables(cls) -> dict[str, Table]:
        return {
            **super().tables(),
            CALLS: Table(
                CALLS,
                key=lambda row: row.id,
                group=lambda row: row.integration_id,
                grouped_by="integration_id",
                parent=cls.schema.name,
                place=lambda row: row.sequence,
            ),
        }

    async def _insert(self, entities: Sequence[Integration]) -> None:
        await super()._insert([self._sealed(entity) for entity in entities])

    def _replaced(
        self, transaction: Transaction, entity: Integration, now: datetime
    ) -> Integration:
        stored = transaction.get(self._name, entity.id)
        return super()._replaced(transaction, self._sealed(entity, stored), now)

    async def _patch(
        self, id: UUID, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Integration:
        secret = changes.get("credentials")
        if secret is not None:
            changes = {**changes, "credentials": self._kept(id, secret, await self._get(id))}
        return await super()._patch(id, expected_revision, changes, now)

    def _sealed(self, entity: Integration, stored: Integration | None = None) -> Integration:
        if entity.credentials is None:
            return entity
        sealed = self._kept(entity.id, entity.credentials, stored)
        return restored(Integration, {**vars(entity), "credentials": sealed})

    def _kept(self, id: UUID, secret: Secret, stored: Integration | None) -> Secret:
        if self._context.secrets is None:
            return secret
        standing = None if stored is None else stored.credentials
        return self._vault.sealed(id, self._vault.standing(id, secret, standing))

    def _forget(self, transaction: Transaction, id: Any) -> None:
        super()._forget(transaction, id)
        there = (transaction.table(CALLS).rows, transaction.writes.get(CALLS, {}))
        for call in transaction.members(CALLS, id):
            if any(
                call.id in rows for rows in there
            ):  # and not purged by another, which hinders nobody
                transaction.remove(CALLS, call.id)

    def _log(self, id: UUID) -> MemoryCallLog:
        return MemoryCallLog(self._context, self._session, id)

    async def _credentials(self, id: UUID) -> Secret | None:
        found = await self._get(id)
        return None if found is None else found.credentials

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        with self._session.writing() as transaction:
            before: Integration = self._expected(transaction, call.integration_id, None)
            made = restored(IntegrationCall, {**vars(call), "sequence": before.call_count + 1})
            after = before.after(made)
            transaction.replace(self._name, after)
            transaction.insert(CALLS, made)
            changed = after.health is not before.health
            if changed:
                told = outbox_row(self._event(after, now))
                transaction.append(EVENTS, told.position, told)
            return RecordedCall(
                call=made,
                health=after.health,
                consecutive_failures=after.consecutive_failures,
                health_changed=changed,
            )

    def _event(self, changed: Integration, now: datetime) -> ChangeEvent:
        return ChangeEvent(
            id=self._context.ids.new_uuid(),
            tenant_id=self._context.tenant,
            at=instant(now),
            actor=self._context.author.actor,
            action=AuditAction.UPDATED,
            entity_type=self._name,
            entity_id=changed.id,
            revision=changed.revision,
        )

    async def _purge_calls(self, before: datetime, limit: int) -> tuple[int, bool]:
        with self._session.writing() as transaction:
            old = old_calls(transaction.values(CALLS), before)[:limit]
            for call in old:
                transaction.remove(CALLS, call.id)
            return len(old), len(old) == limit

    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        if self._context.secrets is None:
            return 0, False
        prefix, after = self._vault.prefix, rotation.after
        done = 0
        with self._session.writing() as transaction:
            stale = [
                entity
                for entity in transaction.values(self._name)
                if entity.credentials is not None
                and not token_of(entity.credentials).startswith(prefix)
                and (after is None or entity.id > after)
            ]
            stale.sort(key=lambda one: one.id)
            del stale[limit:]
            for entity in stale:
                rotation.after = entity.id
                try:
                    sealed = self._vault.resealed(entity.id, entity.credentials)
                except (EncryptionKeyError, CorruptRecordError) as failure:
                    rotation.failed(failure)
                    continue
                fields = {**vars(entity), "credentials": sealed}
                transaction.replace(self._name, restored(Integration, fields))
                done += 1
            return done, len(stale) == limit
