"""Who and which: tenants, users, ids, revisions, and entities that have no identity yet."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, NewType, Protocol, TypeVar
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError
from domain.rules import (
    argument,
    checked,
    identifier,
    matching,
    optional,
    restored,
    text,
    whole,
)

TenantId = NewType("TenantId", str)
"""`[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}`; a UUID's text form fits."""

UserId = NewType("UserId", str)
"""1 to 256 characters without control characters."""

TENANT = matching(
    r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}",
    "must have 1 to 64 characters of A-Z a-z 0-9 _ . : - and begin with a letter or digit",
)
USER = identifier(256)
DIALOGUE_ID = identifier(128)
"""Of conversations, messages and sessions."""
REVISION = whole(1)
REASON = text(1_000)
"""Why somebody changed something."""


def tenant_id(candidate: str) -> TenantId:
    """Check a tenant's name.

    Raises:
        ValidationError: if it isn't one.
    """
    try:
        return TenantId(TENANT(candidate))
    except ValueError as error:
        raise ValidationError("TenantId", [Fault("", str(error))]) from None


def _actor(candidate: str | None) -> UserId | None:
    kept: UserId | None = argument("Author", "actor", candidate, optional(USER))
    return kept


def _reason(candidate: str | None) -> str | None:
    kept: str | None = argument("Author", "reason", candidate, optional(REASON))
    return kept


@attrs.frozen
class Author:
    """Who changes something, and why: what an audit trail says of it. None: nobody said."""

    actor: UserId | None = attrs.field(default=None, converter=_actor)
    reason: str | None = attrs.field(default=None, converter=_reason)


NOBODY = Author()


class Entry(Protocol):
    """What everything has that a store keeps, entries of a log included."""

    @property
    def id(self) -> Any: ...
    @property
    def tenant_id(self) -> TenantId: ...


class Entity(Entry, Protocol):
    """What every mutable, revisioned entity has."""

    @property
    def created_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def revision(self) -> int: ...


E = TypeVar("E")

NIL = UUID(int=0)
UNASSIGNED = "unassigned"
"""Stands for a tenant, or an id that is text, until a store gives it."""
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time until a store gives it."""


@attrs.frozen
class Draft(Generic[E]):
    """A valid entity that no store has seen: it still lacks tenant, times and, mostly, an id.

    `Flow.draft(…)` and its like make one; a repository's `create` gives it the rest.
    """

    _provisional: E
    _chosen_id: object = None
    _timed: tuple[str, ...] = ()
    """Further fields that take the time of creation."""

    PROVISIONAL: ClassVar[Mapping[str, Any]] = {
        "tenant_id": TenantId(UNASSIGNED),
        "created_at": NO_TIME,
        "updated_at": NO_TIME,
        "revision": 1,
    }

    @property
    def has_id(self) -> bool:
        """Whether the caller chose the id."""
        return self._chosen_id is not None

    def assigned(self, *, tenant: TenantId, new_id: object, at: datetime) -> E:
        """The entity, with `new_id` unless the caller chose one, as created in `tenant` at `at`."""
        cls = type(self._provisional)
        now = checked(cls, "created_at", at)
        fields = {
            **vars(self._provisional),
            "tenant_id": tenant,
            "created_at": now,
            "updated_at": now,
            "revision": 1,
            **dict.fromkeys(self._timed, now),
        }
        if not self.has_id:
            fields["id"] = new_id
        return restored(cls, fields)


@attrs.frozen
class EntryDraft(Generic[E]):
    """A valid entry of a log that no store has seen: it lacks tenant, place and, mostly, id and
    time. `Message.draft(…)` and its like make one; an `AppendLog` gives it the rest.
    """

    provisional: E
    has_id: bool = attrs.field(kw_only=True)
    has_time: bool = attrs.field(kw_only=True)

    def placed(self, *, at: datetime, new_id: object, **place: Any) -> E:
        """The entry with its place (tenant, log, sequence); `at` and `new_id` unless it has one.

        `place` and `at` were checked before.
        """
        fields = {**vars(self.provisional), **place}
        if not self.has_id:
            fields["id"] = new_id
        if not self.has_time:
            fields["at"] = at
        return restored(type(self.provisional), fields)
