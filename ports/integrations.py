"""Integrations: what their store promises."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from domain.documents import EMPTY, freeze
from domain.integrations import (
    INTEGRATION_LIFECYCLE,
    AuthType,
    CallReport,
    Integration,
    IntegrationCall,
    IntegrationHealth,
    IntegrationStatus,
    IntegrationType,
    told,
)
from domain.rules import argument, checked, instance, instant, restored
from domain.secrets import MASK, Secret
from ports.batches import in_batches
from ports.criteria import CriteriaLike, Where, coerce
from ports.errors import CorruptRecordError, EncryptionKeyError
from ports.paging import CursorPage, PaginatedResult, Pagination
from ports.reading import Reading
from ports.repository import Repository
from ports.schema import EntitySchema, FieldSchema, Kind, Unique

INTEGRATION_SCHEMA = EntitySchema(
    entity=Integration,
    name="integration",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("name", Kind.TEXT, sortable=True, folded=True),
        FieldSchema("type", Kind.ENUM, sortable=True, members=IntegrationType),
        FieldSchema("description", Kind.TEXT, nullable=True, folded=True),
        FieldSchema("endpoint", Kind.TEXT, nullable=True, sortable=True),
        FieldSchema("auth_type", Kind.ENUM, members=AuthType),
        FieldSchema("timeout_ms", Kind.INTEGER, sortable=True),
        FieldSchema("status", Kind.ENUM, sortable=True, members=IntegrationStatus),
        FieldSchema("health", Kind.ENUM, sortable=True, members=IntegrationHealth),
        FieldSchema("consecutive_failures", Kind.INTEGER, sortable=True),
        FieldSchema("last_checked_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("last_success_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("call_count", Kind.INTEGER, sortable=True),
        FieldSchema("failure_count", Kind.INTEGER, sortable=True),
        FieldSchema("latency_total_ms", Kind.INTEGER, sortable=True),
        FieldSchema("created_at", Kind.INSTANT, sortable=True),
        FieldSchema("updated_at", Kind.INSTANT, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
    ],
    unique=(Unique(("name",)),),
    # Not the credentials: they are sealed for one integration, and a patch may be for many.
    patchable=frozenset(
        {
            "name",
            "type",
            "description",
            "endpoint",
            "auth_type",
            "config",
            "timeout_ms",
            "retry_policy",
        }
    ),
    maintained=frozenset(
        {
            "health",
            "consecutive_failures",
            "last_checked_at",
            "last_success_at",
            "last_error",
            "call_count",
            "failure_count",
            "latency_total_ms",
        }
    ),
    lifecycle=INTEGRATION_LIFECYCLE,
)

CALL_SCHEMA = EntitySchema(
    entity=IntegrationCall,
    name="integration call",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("integration_id", Kind.UUID),
        FieldSchema("sequence", Kind.INTEGER, sortable=True),
        FieldSchema("at", Kind.INSTANT),
        FieldSchema("success", Kind.BOOLEAN),
        FieldSchema("latency_ms", Kind.INTEGER),
        FieldSchema("status_code", Kind.INTEGER, nullable=True),
        FieldSchema("conversation_id", Kind.TEXT, nullable=True),
    ],
)

_REPORT = instance(CallReport)
_BATCH = 500


@attrs.frozen(kw_only=True)
class RecordedCall:
    """A call as the log has it, and how the integration stands after it.

    `health_changed`: whether it was this call that changed the health.
    """

    call: IntegrationCall
    health: IntegrationHealth
    consecutive_failures: int
    health_changed: bool


class IntegrationRepository(Repository[Integration]):
    """A tenant's integrations, with the log of the calls that were made to them.

    Unique: the name. Deleting an integration deletes its log. What calls have made of it (`health`
    and the fields after it) changes by `record_call` and `mark_health` alone.

    **Credentials** are stored encrypted where the store writes anything down, beside the name of
    the key, and bound to tenant and integration: what is moved to another row can't be opened. They
    are decrypted when they are revealed, and not before; so reading and listing cost nothing for
    it, and it is `Secret.reveal`, and a comparison, that raise `CorruptRecordError` or
    `EncryptionKeyError`. Without a key everything works but storing and revealing credentials,
    which raises `EncryptionKeyError` and changes nothing. Criteria can't ask for them, and no
    error, log or audit entry holds them. What is nobody's secret may stand in `endpoint` and
    `config`; both are shown to whoever sees the integration.
    """

    schema = INTEGRATION_SCHEMA

    async def get_by_name(self, name: str) -> Integration | None:
        """The integration of that name, or None; by index."""
        page = await self.scan(self.where("name").eq(name), limit=1)
        return page.items[0] if page.items else None

    async def list_by(
        self,
        *,
        type: IntegrationType | str | None = None,
        status: IntegrationStatus | str | None = None,
        health: IntegrationHealth | str | None = None,
        pagination: Pagination | None = None,
    ) -> PaginatedResult[Integration]:
        """Those of a type, status and health, where given, by name.

        Reads the tenant's integrations in the order of an index, of which there are few.

        Raises:
            InvalidQueryError: for a type, status or health that there isn't.
        """
        wanted = coerce(None, self.schema)
        for name, value in (("type", type), ("status", status), ("health", health)):
            if value is not None:
                wanted &= self.where(name).eq(value)
        return await self.list(wanted, pagination, "name")

    async def move_to(
        self,
        id: UUID,
        status: IntegrationStatus | str,
        *,
        expected_revision: int | None = None,
    ) -> Integration:
        """Put it in another status; one that has it already is returned as it is.

        Raises:
            TransitionNotAllowedError: if the table of transitions doesn't hold it.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        target: IntegrationStatus = checked(Integration, "status", status)
        return await self.modify(
            id, lambda one: one if one.status is target else one.moved_to(target), expected_revision
        )

    async def set_credentials(
        self, id: UUID, credentials: Secret | None, *, expected_revision: int | None = None
    ) -> Integration:
        """Set the credentials, or take them away, without reading the integration first.

        Raises:
            ValidationError: for what is no `Secret`.
            EncryptionKeyError: if there is no key to seal them with.
            EntityNotFoundError, ConflictError: as `patch`.
        """
        kept = checked(Integration, "credentials", credentials)
        expected = self._revision(expected_revision)
        identity, now = self.schema.check_id(id), self._context.clock.now()
        await self._admit()
        return await self._patch(identity, expected, {"credentials": kept}, now)

    async def record_call(self, id: UUID, report: CallReport) -> RecordedCall:
        """Count a call that was made, derive the health, and write the call to the log: all of it
        in one atomic step, whoever else records at the same time.

        The counts, the latency, the failures in a row, the times and `last_error` follow from what
        the integration holds at that moment; `domain.integrations.health_after` is the rule of the
        health. It raises neither revision nor `updated_at`, and is no entry of the audit trail, the
        log being its own; but a changed health is told by the outbox, as an update at the
        revision that stands.

        An error's text is cut at 500 characters; of one that is longer than a hundred thousand, no
        more than its beginning is looked at. In it, and in the metadata, what the stored
        credentials hold is masked (not what they held before); where these can't be opened now,
        neither is kept. One round trip, a second if the report has an error's text or metadata, and
        one for a changed health.

        Raises:
            EntityNotFoundError: if there is no such integration.
            ValidationError: if `report` is none, or a count would leave its bounds.
        """
        kept: CallReport = argument(self.schema.name, "report", report, _REPORT)
        identity = self.schema.check_id(id)
        now = self._context.clock.now()
        await self._admit()
        error, metadata = await self._spoken(identity, kept)
        call = restored(
            IntegrationCall,
            {
                "id": self._context.ids.new_uuid(),
                "tenant_id": self._context.tenant,
                "integration_id": identity,
                "sequence": 1,
                "at": checked(IntegrationCall, "at", now) if kept.at is None else kept.at,
                "success": kept.success,
                "latency_ms": kept.latency_ms,
                "status_code": kept.status_code,
                "error": error,
                "conversation_id": kept.conversation_id,
                "metadata": metadata,
            },
        )
        return await self._record_call(call, now)

    async def _spoken(self, id: UUID, report: CallReport) -> tuple[str | None, Mapping[str, Any]]:
        """The error's text and the metadata as they may be kept."""
        if not report.tells:
            return None, EMPTY
        credentials = await self._credentials(id)
        if credentials is None:
            return told(report.error, None), report.metadata
        try:
            metadata = credentials.masked(report.metadata)
            return told(report.error, credentials), freeze(metadata)
        except (EncryptionKeyError, CorruptRecordError):
            return (None if report.error is None else MASK), EMPTY

    async def mark_health(
        self,
        id: UUID,
        health: IntegrationHealth | str,
        error: str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> Integration:
        """Say how an integration is, as an operator or a probe found it; checked now.

        Healthy ends the failures in a row and counts as a success of now, without being a call. An
        `error` becomes `last_error`, treated as that of a call is; without one, that stays. It is a
        change like any other: it raises the revision, and the audit trail has it.

        Raises:
            ValidationError: for a health that there isn't.
            EntityNotFoundError, ConflictError: as `patch`.
        """
        identity = self.schema.check_id(id)
        state: IntegrationHealth = checked(Integration, "health", health)
        expected = self._revision(expected_revision)
        now = self._context.clock.now()
        await self._admit()
        at = checked(Integration, "last_checked_at", now)
        changes: dict[str, Any] = {"health": state, "last_checked_at": at}
        if state is IntegrationHealth.HEALTHY:
            changes |= {"consecutive_failures": 0, "last_success_at": at}
        if error is not None:
            report = CallReport(success=False, latency_ms=0, error=error)
            changes["last_error"], _ = await self._spoken(identity, report)
        return await self._patch(identity, expected, changes, now)

    async def calls(
        self,
        id: UUID,
        criteria: CriteriaLike = None,
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[IntegrationCall]:
        """A page of an integration's calls after a cursor, the last one first; by index.

        `criteria` may narrow them, such as `{"success": False}`. As `scan` in every respect.
        """
        log = self._log(self.schema.check_id(id))
        of = log.where("integration_id").eq(id)
        return await log.scan(coerce(criteria, CALL_SCHEMA) & of, "-sequence", after, limit)

    @property
    def where_calls(self) -> Where[IntegrationCall]:
        """Builds criteria for `calls`."""
        return Where(CALL_SCHEMA)

    async def purge_calls(self, before: datetime, *, limit: int | None = None) -> int:
        """Remove the calls made before a time (exclusive) from the logs of all integrations; how
        many, at most `limit`. What was counted stays counted.

        In batches, each found by index; interrupted, it may be called again and goes on.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument(self.schema.name, "before", before, instant)
        return await in_batches(lambda size: self._purge_calls(until, size), limit, _BATCH)

    async def rotate_credentials(self, *, limit: int | None = None) -> int:
        """Encrypt anew, under the active key, all credentials that are under another one; how many,
        at most `limit`.

        The content stays what it is: no revision is raised and nothing is audited. What another
        changes meanwhile is left to them. In batches, each read and then written if it still is
        what was read; interrupted, it may be called again and goes on. Once it answers 0, and every
        process has the new active key, the old ones may be retired.

        Where nothing is encrypted there is nothing to do. What can't be opened is passed over, and
        raised at the end.

        Raises:
            EncryptionKeyError: if there is no key, or one that credentials are under isn't at hand.
            CorruptRecordError: if credentials can't be opened as their integration's.
        """
        await self._admit()
        rotation = Rotation()
        done = await in_batches(lambda size: self._rotate(rotation, size), limit, _BATCH)
        if rotation.failure is not None:
            raise rotation.failure
        return done

    # What a store implements beside the primitives of every repository.

    @abstractmethod
    def _log(self, id: UUID) -> Reading[IntegrationCall]:
        """The calls of an integration, or of any: it is asked for those of this one only, in the
        order of their sequences, the last first.
        """

    @abstractmethod
    async def _credentials(self, id: UUID) -> Secret | None:
        """Those of an integration; None if there are none, or no such integration."""

    @abstractmethod
    async def _record_call(self, call: IntegrationCall, now: datetime) -> RecordedCall:
        """As `record_call` promises; the sequence is the store's to give."""

    @abstractmethod
    async def _purge_calls(self, before: datetime, limit: int) -> tuple[int, bool]:
        """One batch: how many, and whether there may be more."""

    @abstractmethod
    async def _rotate(self, rotation: "Rotation", limit: int) -> tuple[int, bool]:
        """One batch of at most `limit`: how many were encrypted anew, whether there may be more."""


@attrs.define
class Rotation:
    """How far one came: the last integration looked at, and why the first failed that did."""

    after: UUID | None = None
    failure: Exception | None = None

    def failed(self, failure: Exception) -> None:
        """Remember what is to be raised at the end."""
        self.failure = self.failure or failure
