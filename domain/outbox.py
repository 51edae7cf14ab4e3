"""What is told to the world once a change is committed."""

from datetime import datetime
from uuid import UUID

from attrs import frozen

from domain.audit import AuditAction
from domain.identity import TenantId, UserId


@frozen(kw_only=True)
class ChangeEvent:
    """An entity changed. `id` is its audit entry's, and so the same however often it is told.

    An integration whose health changed by a call is told of, too, at the revision that stands; that
    has no audit entry, and an id of its own.
    """

    id: UUID
    tenant_id: TenantId
    at: datetime
    actor: UserId | None
    action: AuditAction
    entity_type: str
    entity_id: UUID
    revision: int
