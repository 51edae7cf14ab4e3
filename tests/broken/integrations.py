"""Faults with calls and credentials, as real adapters have had them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import evolve

from adapters.memory.integrations import CALLS, MemoryIntegrationRepository
from adapters.memory.tables import Transaction
from adapters.sealing import Vault
from domain.integrations import CallReport, Integration, IntegrationCall
from domain.rules import checked, restored
from domain.secrets import Secret
from ports.integrations import RecordedCall, Rotation


class CountsCallsByReadingThenWriting(MemoryIntegrationRepository):
    """Lets others in between."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        before = await self.require(call.integration_id)
        await asyncio.sleep(0)
        made = evolve(call, sequence=before.call_count + 1)
        after = before.after(made)
        with self._session.writing() as transaction:
            transaction.replace(self._name, after)
            transaction.insert(CALLS, made)
        return _recorded(made, before, after)


class JudgesHealthApart(MemoryIntegrationRepository):
    """Compares the health with one that was read before the call was counted."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        before = await self.require(call.integration_id)
        await asyncio.sleep(0)
        recorded = await super()._record_call(call, now)
        return evolve(recorded, health_changed=recorded.health is not before.health)


class LogsApart(MemoryIntegrationRepository):
    """Writes the log when the call is counted already."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        with self._session.writing() as transaction:
            before: Integration = self._expected(transaction, call.integration_id, None)
            made = evolve(call, sequence=before.call_count + 1)
            after = before.after(made)
            transaction.replace(self._name, after)
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            transaction.insert(CALLS, made)
        return _recorded(made, before, after)


class ForgetsWhatSucceeded(MemoryIntegrationRepository):
    """Logs failures only."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        recorded = await super()._record_call(call, now)
        if call.success:
            with self._session.writing() as transaction:
                transaction.remove(CALLS, call.id)
        return recorded


class TellsOfEveryCall(MemoryIntegrationRepository):
    """Takes a health that stays for a change."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        recorded = await super()._record_call(call, now)
        return evolve(recorded, health_changed=True)


class HealsByCounting(MemoryIntegrationRepository):
    """Takes one failure after an operator's mark for an improvement."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        recorded = await super()._record_call(call, now)
        if call.success or recorded.consecutive_failures >= 5:
            return recorded
        with self._session.writing() as transaction:
            stored = self._expected(transaction, call.integration_id, None)
            transaction.replace(self._name, evolve(stored, health="degraded"))
        return evolve(recorded, health=evolve(stored, health="degraded").health)


class MovesTimesBack(MemoryIntegrationRepository):
    """Takes the call that is reported last for the last one."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        recorded = await super()._record_call(call, now)
        with self._session.writing() as transaction:
            stored = self._expected(transaction, call.integration_id, None)
            transaction.replace(self._name, evolve(stored, last_checked_at=call.at))
        return recorded


class RaisesTheRevisionByCalls(MemoryIntegrationRepository):
    """Counts as if it were an edit."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        recorded = await super()._record_call(call, now)
        with self._session.writing() as transaction:
            stored = self._expected(transaction, call.integration_id, None)
            transaction.replace(self._name, self._raised({**vars(stored)}, now))
        return recorded


class LeavesTheLog(MemoryIntegrationRepository):
    """Deletes the integration alone."""

    def _forget(self, transaction: Transaction, id: Any) -> None:
        transaction.remove(self._name, id)


class PurgesInclusively(MemoryIntegrationRepository):
    """Takes `before` for `until`."""

    async def _purge_calls(self, before: datetime, limit: int) -> tuple[int, bool]:
        with self._session.writing() as transaction:
            old = [call for call in transaction.values(CALLS) if call.at <= before][:limit]
            for call in old:
                transaction.remove(CALLS, call.id)
        return len(old), len(old) == limit


class KeepsWhatErrorsSay(MemoryIntegrationRepository):
    """Logs an error's text as it comes."""

    async def _spoken(self, id: UUID, report: CallReport) -> tuple[str | None, Mapping[str, Any]]:
        return report.error, report.metadata


class ShownSecret:
    """What an integration shows of a plain document in the place of a secret."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def reveal(self) -> Mapping[str, Any]:
        """The same."""
        return self.content

    def masked(self, value: Any) -> Any:
        """As a secret's."""
        return Secret(self.content).masked(value)

    def __repr__(self) -> str:
        return f"Secret({dict(self.content)})"


class ShowsCredentials(MemoryIntegrationRepository):
    """Returns them in a form that shows itself."""

    async def _get(self, id: UUID) -> Integration | None:
        found = await super()._get(id)
        if found is None or found.credentials is None:
            return found
        shown = ShownSecret(found.credentials.reveal())
        return restored(Integration, {**vars(found), "credentials": shown})


class OpensWhatItReads(MemoryIntegrationRepository):
    """Decrypts at once, whether or not anybody looks."""

    async def _select(self, selection: Any) -> Sequence[Integration]:
        return [
            one
            if one.credentials is None
            else restored(
                Integration, {**vars(one), "credentials": Secret(one.credentials.reveal())}
            )
            for one in await super()._select(selection)
        ]


class _Elsewhere(Vault):
    """Seals for whoever it is, and opens for nobody in particular."""

    def _owner(self, id: Any) -> Any:
        return "integration", "credentials", "nobody", "nothing"


class SealsForNobody(MemoryIntegrationRepository):
    """Binds a token to no row."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._vault = _Elsewhere(
            self._context.secrets, self._context.tenant, self._name, "credentials"
        )


class SealsAnewAsAChange(MemoryIntegrationRepository):
    """Raises the revision when the key changes."""

    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        before = {one.id: one.credentials async for one in self.stream()}
        result = await super()._rotate(rotation, limit)
        with self._session.writing() as transaction:
            for one in list(transaction.values(self._name)):
                if one.credentials is not before[one.id]:
                    raised = self._raised({**vars(one)}, one.updated_at)
                    transaction.replace(self._name, raised)
        return result


class OverwritesWithOldCredentials(MemoryIntegrationRepository):
    """Encrypts anew what it read a moment ago, whatever stands there by now."""

    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        read = [(one.id, one.credentials) async for one in self.stream()]
        await asyncio.sleep(0)
        result = await super()._rotate(rotation, limit)
        await asyncio.sleep(0)
        for id, credentials in read:
            if credentials is not None:
                with self._session.writing() as transaction:
                    stored = transaction.get(self._name, id)
                    sealed = self._vault.resealed(id, credentials)
                    fields = {**vars(stored), "credentials": sealed}
                    transaction.replace(self._name, restored(Integration, fields))
        return result


class GivesUpAtALostKey(MemoryIntegrationRepository):
    """Stops at the first integration whose key isn't there."""

    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        for one in [one async for one in self.stream()]:
            if one.credentials is not None:
                one.credentials.reveal()
        return await super()._rotate(rotation, limit)


class EndsWithTheFirstBatch(MemoryIntegrationRepository):
    """Encrypts no more anew than fits into one."""

    async def _rotate(self, rotation: Rotation, limit: int) -> tuple[int, bool]:
        done, _ = await super()._rotate(rotation, limit)
        return done, False


class TellsOfNewKeys(MemoryIntegrationRepository):
    """Takes another token for other credentials."""

    def _kept(self, id: UUID, secret: Secret, stored: Integration | None) -> Secret:
        return self._vault.sealed(id, Secret(secret.reveal()))


class WantsRoomForFailures(MemoryIntegrationRepository):
    """Checks all counts whatever the call adds to."""

    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        before = await self.require(call.integration_id)
        checked(Integration, "failure_count", before.failure_count + 1)
        checked(Integration, "consecutive_failures", before.consecutive_failures + 1)
        return await super()._record_call(call, now)


def _recorded(call: IntegrationCall, before: Integration, after: Integration) -> RecordedCall:
    return RecordedCall(
        call=call,
        health=after.health,
        consecutive_failures=after.consecutive_failures,
        health_changed=after.health is not before.health,
    )
