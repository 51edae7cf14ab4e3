"""Values with a key and an expiry: what every store of them promises, and what is built on that."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

import attrs

from domain.errors import Fault, ValidationError
from domain.identity import REVISION, Entity, TenantId
from domain.rules import argument, optional, restored
from ports.errors import ConflictError, EntityNotFoundError
from ports.gate import OPEN, Gate
from ports.reading import back_off
from ports.schema import EntitySchema

E = TypeVar("E", bound=Entity)
CONTENDED_FOR: Final = 10.0
"""Seconds during which a change is tried again while others win."""

_AT_ONCE = 3
_EXPECTED = optional(REVISION)


@attrs.frozen
class Replaced(Generic[E]):
    """What an attempt to replace came to: whether it was `done`, and what is stored now."""

    done: bool
    entity: E


class KeyedStore(ABC, Generic[E]):
    """One tenant's entities of one type, each with an expiry, found by its id alone.

    Every operation is atomic, and sees what was acknowledged before it began. What has expired is
    absent everywhere at once: nothing reads, lists or counts it, and no write revives it. The time
    is the store's own, in whole milliseconds; an entity is there while it is earlier than its
    expiry. Nothing is kept without one.

    Arguments are checked before the store is asked, so bad ones change nothing. What is returned is
    immutable and shares nothing with what is stored. Another tenant's entities don't exist here.

    Any operation may raise `StoreUnavailableError` or `StoreTimeoutError`, a writing one
    `OutcomeUnknownError` or, unless it deletes, `ErasedError` (see `ports.gate`), and what returns
    an entity `CorruptRecordError`.
    """

    schema: ClassVar[EntitySchema[Any]]

    def __init__(self, tenant: TenantId, gate: Gate = OPEN) -> None:
        self._tenant = tenant
        self._gate = gate

    async def _require(self, id: str, *, touch: bool = False, fence: int | None = None) -> E:
        found = await self._read(id, touch, fence)
        if found is None:
            raise EntityNotFoundError(self.schema.name, id)
        return found

    async def _update(self, entity: E, fence: int | None = None) -> E:
        """Replace what is stored if it still stands at the entity's revision.

        Raises, the first that holds:
            TenantMismatchError, EntityNotFoundError, ConflictError.
        """
        self.schema.own(entity, self._tenant)
        await self._admit(entity)
        replaced = await self._replace(entity, fence)
        if replaced is None:
            raise EntityNotFoundError(self.schema.name, entity.id)
        if not replaced.done:
            raise self._conflict(entity.revision, replaced.entity)
        return replaced.entity

    async def _modify(
        self,
        id: str,
        change: Callable[[E], E],
        expected_revision: int | None = None,
        fence: int | None = None,
    ) -> E:
        """Read, apply `change`, and write if nobody came between.

        Without `expected_revision` it is tried again as long as others win, for 10 seconds: one
        round trip an attempt, since what refuses a write says what stands in its way.

        Raises, the first that holds:
            EntityNotFoundError, ConflictError; and what `change` raises.
        """
        expected: int | None = argument(
            self.schema.name, "expected_revision", expected_revision, _EXPECTED
        )
        loop = asyncio.get_running_loop()
        until, lost = loop.time() + CONTENDED_FOR, 0
        current = await self._require(id, fence=fence)
        while True:
            if expected is not None and current.revision != expected:
                raise self._conflict(expected, current)
            changed = change(current)
            if changed is current:
                return current
            self._refuse_another(changed, current)
            await self._admit(changed)
            replaced = await self._replace(changed, fence)
            if replaced is None:
                raise EntityNotFoundError(self.schema.name, id)
            if replaced.done:
                return replaced.entity
            if loop.time() > until:
                raise self._conflict(current.revision, replaced.entity)
            current, lost = replaced.entity, lost + 1
            # What it was told is the latest for a moment: to wait first would be to lose again.
            if lost % _AT_ONCE == 0:
                await back_off(lost // _AT_ONCE)
                current = await self._require(id, fence=fence)

    async def _patch(
        self,
        id: str,
        expected_revision: int | None,
        changes: Mapping[str, object],
        fence: int | None = None,
    ) -> E:
        """Set some fields that the schema calls patchable."""
        kept = self.schema.check_patch(changes)

        def patched(current: E) -> E:
            return restored(type(current), {**vars(current), **kept})

        return await self._modify(id, patched, expected_revision, fence)

    async def _admit(self, entity: E) -> None:
        await self._gate.admit(self._tenant, self.schema.users_of((entity,)))

    def _conflict(self, expected: int, stored: E) -> ConflictError:
        return ConflictError(self.schema.name, stored.id, expected, stored.revision)

    def _refuse_another(self, changed: E, current: E) -> None:
        self.schema.own(changed, self._tenant)
        if (changed.id, changed.revision) != (current.id, current.revision):
            raise ValidationError(
                self.schema.name, [Fault("", "a change must keep id and revision")]
            )

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _read(self, id: str, touch: bool, fence: int | None) -> E | None:
        """The entity, or None; with `touch`, as used just now. A store whose writes are fenced
        refuses a `fence` here as it would there.
        """

    @abstractmethod
    async def _replace(self, entity: E, fence: int | None) -> Replaced[E] | None:
        """Store the entity one revision on, as written and used just now, if what is stored stands
        at its revision; None if there is nothing. What the schema calls maintained, and when it was
        created, stay as stored.
        """


def refuse_changed(name: str, fields: Mapping[str, tuple[object, object]]) -> None:
    """Refuse fields whose value isn't the stored one, where that never changes.

    Raises:
        ValidationError: naming them.
    """
    faults = [Fault(field, "never changes") for field, (new, old) in fields.items() if new != old]
    if faults:
        raise ValidationError(name, faults)
