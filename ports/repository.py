"""The repository of mutable, revisioned entities: one tenant's, of one type."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from domain.identity import REVISION, Draft, Entity
from domain.rules import argument, optional
from ports.criteria import Criteria, CriteriaLike, coerce
from ports.errors import ConflictError
from ports.reading import Reading, back_off, several

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
_ATTEMPTS = 100
_EXPECTED = optional(REVISION)


class Repository(Reading[E]):
    """One tenant's entities of one type.

    Every operation is atomic by itself and sees what was acknowledged before it began. Nothing of
    another tenant's can be seen, changed or counted. Arguments are checked before the store is
    asked, so bad ones change nothing. What is returned is immutable and shares nothing with what
    is stored. Each operation costs one round trip unless it says otherwise, and those on several
    entities some more in stores that need a transaction for it; ids are found by index.

    Any operation may raise `StoreUnavailableError` or `StoreTimeoutError`, a writing one
    `OutcomeUnknownError` or, unless it deletes, `ErasedError` (see `ports.gate`), and within a unit
    of work `TransactionError`.
    """

    async def create(self, entity: E | Draft[E]) -> E:
        """Store a new entity and return it as stored.

        A draft gets tenant, times, revision 1 and, unless it has one, an id. A whole entity is
        stored exactly as it is, its id, times and revision included: that restores an export.

        Raises:
            DuplicateEntityError: naming the key that stands already; the id is one, too.
            TenantMismatchError: if it is a whole entity of another tenant.
        """
        made = self._identified(entity, self._context.clock.now())
        await self._admit([made])
        await self._insert([made])
        return made

    async def create_many(self, entities: Iterable[E | Draft[E]]) -> tuple[E, ...]:
        """Store all of them or none, in one transaction; memory grows with their number.

        Raises:
            DuplicateEntityError: if one of them, or two of them together, break a unique key; of
                several it names that which is met first in the order of the first unique key.
            TenantMismatchError: if one of them is another tenant's.
        """
        now = self._context.clock.now()
        given = several(self.schema.name, entities)
        made = tuple(self._identified(entity, now) for entity in given)
        if made:
            await self._admit(made)
            await self._insert(self.schema.in_writing_order(made))
        return made

    async def update(self, entity: E) -> E:
        """Replace the stored entity if it still stands at `entity.revision` (compare-and-set).

        Returns it as stored, one revision on and `updated_at` now. `created_at` and what the
        schema calls maintained stay as the store has them.

        Raises, the first that holds:
            EntityNotFoundError: if there is none.
            ConflictError: if another write came first; nothing was changed.
            TransitionNotAllowedError: if the status can't follow the stored one.
            DuplicateEntityError: if it would break a unique key.
        """
        self.schema.own(entity, self._context.tenant)
        await self._admit([entity])
        return await self._replace(entity, self._context.clock.now())

    async def patch(self, id: Any, expected_revision: int | None = None, **changes: Any) -> E:
        """Set some fields, None included, without reading the entity first.

        Only what the schema calls patchable. Concurrent patches all take effect, the last one to
        a field wins; with `expected_revision` it is a compare-and-set.

        Raises:
            ValidationError: naming every field that can't be patched or isn't admitted; or for an
                `expected_revision` that can't be one, as everywhere.
            EntityNotFoundError, ConflictError, DuplicateEntityError: as `update`.
        """
        kept = self.schema.check_patch(changes)
        expected = self._revision(expected_revision)
        named, now = self.schema.check_id(id), self._context.clock.now()
        await self._admit_changes(kept)
        return await self._patch(named, expected, kept, now)

    async def modify(
        self, id: Any, change: Callable[[E], E], expected_revision: int | None = None
    ) -> E:
        """Read, apply `change` (pure: it may run several times), and write if nobody came between.

        Without `expected_revision` it is tried again, with jitter, as long as others win; two round
        trips an attempt. A `change` that returns its argument writes nothing.

        Raises:
            ConflictError: if the revision isn't the expected one, or after 100 lost attempts.
            EntityNotFoundError, DuplicateEntityError: as `update`; and what `change` raises.
        """

        async def stored(current: E) -> E:
            changed = change(current)
            return current if changed is current else await self.update(changed)

        return await self._contended(id, expected_revision, stored)

    async def delete(self, id: Any, expected_revision: int | None = None) -> bool:
        """Remove the entity and what belongs to it alone. False if there was none.

        Raises:
            ConflictError: if it exists but not at `expected_revision`.
        """
        expected = self._revision(expected_revision)
        return await self._delete(self.schema.check_id(id), expected)

    async def update_where(self, criteria: CriteriaLike, **changes: Any) -> int:
        """Patch every match in one atomic step; how many there were. None means every entity.

        Where there are more than the store can change in one step, or within the deadline (tens of
        thousands), it raises and nothing was changed: narrow the criteria, and call it for each.

        Raises:
            ValidationError, DuplicateEntityError: as `patch`; then nothing was changed.
        """
        kept = self.schema.check_patch(changes)
        checked = coerce(criteria, self.schema)
        await self._admit_changes(kept)
        return await self._patch_where(checked, kept, self._context.clock.now())

    async def delete_where(self, criteria: CriteriaLike) -> int:
        """Remove every match in one atomic step; how many there were. None means every entity.

        Of too many at once, as `update_where`.
        """
        return await self._delete_where(coerce(criteria, self.schema))

    async def _admit(self, entities: Iterable[E] = ()) -> None:
        """Ask the gate, before a write of these entities, or of one that is known by its id."""
        context = self._context
        await context.gate.admit(context.tenant, self.schema.users_of(entities))

    async def _admit_changes(self, changes: Mapping[str, Any]) -> None:
        context, user = self._context, changes.get(self.schema.user or "")
        await context.gate.admit(context.tenant, () if user is None else (user,))

    def _identified(self, entity: E | Draft[E], now: datetime) -> E:
        if isinstance(entity, Draft):
            new_id = None if entity.has_id else self._new_id()
            entity = entity.assigned(tenant=self._context.tenant, new_id=new_id, at=now)
        return self.schema.own(entity, self._context.tenant)  # type: ignore[no-any-return]  # E by its schema

    def _revision(self, candidate: object) -> int | None:
        kept: int | None = argument(self.schema.name, "expected_revision", candidate, _EXPECTED)
        return kept

    async def _contended(
        self, id: Any, expected_revision: int | None, attempt: Callable[[E], Awaitable[T]]
    ) -> T:
        """Read and `attempt`; again, as `modify` says, while that raises `ConflictError`."""
        expected, lost = self._revision(expected_revision), 0
        while True:
            current = await self.require(id)
            if expected is not None and current.revision != expected:
                raise ConflictError(self.schema.name, id, expected, current.revision)
            try:
                return await attempt(current)
            except ConflictError:
                lost += 1
                if expected is not None or lost >= _ATTEMPTS:
                    raise
            await back_off(lost)

    # What a store implements. Arguments are checked; tenants, times and ids are assigned.

    @abstractmethod
    async def _insert(self, entities: Sequence[E]) -> None:
        """All or none, in this order; `DuplicateEntityError` names the key met first."""

    @abstractmethod
    async def _replace(self, entity: E, now: datetime) -> E:
        """As `update` promises, the check of the lifecycle included."""

    @abstractmethod
    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> E: ...

    @abstractmethod
    async def _delete(self, id: Any, expected_revision: int | None) -> bool: ...

    @abstractmethod
    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int: ...

    @abstractmethod
    async def _delete_where(self, criteria: Criteria) -> int: ...
