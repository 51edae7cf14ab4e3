"""The audit trail: who changed what, when, and from what to what; chained by hashes."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from attrs import field, frozen

from domain.frozen import FrozenDict
from domain.identity import REASON, REVISION, TENANT, USER, TenantId, UserId
from domain.rules import Value, instant, one_of, optional, rule, text, uuid, whole


class AuditAction(StrEnum):
    """What happened to an entity."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@frozen
class FieldChange:
    """A field's value before and after, in the form of JSON. None where there was none."""

    before: Any
    after: Any


@frozen(kw_only=True, slots=False)
class AuditEntry(Value):
    """One change of one entity.

    `revision` is the entity's after the change; that of one that was deleted is its last.
    `sequence` and `digest` are its place in the tenant's chain, None until it is sealed.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    at: datetime = field(metadata=rule(instant))
    actor: UserId | None = field(default=None, metadata=rule(optional(USER)))
    reason: str | None = field(default=None, metadata=rule(optional(REASON)))
    action: AuditAction = field(metadata=rule(one_of(AuditAction)))
    entity_type: str = field(metadata=rule(text(50, min_length=1)))
    entity_id: UUID = field(metadata=rule(uuid))
    revision: int = field(metadata=rule(REVISION))
    changes: Mapping[str, FieldChange] = field(default=FrozenDict())
    sequence: int | None = field(default=None, metadata=rule(optional(whole(1))))
    digest: str | None = field(default=None, metadata=rule(optional(text(64, min_length=64))))
