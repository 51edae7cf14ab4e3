"""The repository of mutable, revisioned entities: one tenant's, of one type."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from domain.identity import Draft, Entity, TenantId
from ports.criteria import Criteria, CriteriaLike, Where, coerce
from ports.errors import ConflictError, EntityNotFoundError, InvalidQueryError
from ports.paging import (
    CursorPage,
    Order,
    OrderLike,
    PaginatedResult,
    Pagination,
    Position,
    check_limit,
    decode_cursor,
    encode_cursor,
)
from ports.schema import EntitySchema
from ports.time import Clock, IdGenerator

E = TypeVar("E", bound=Entity)
T = TypeVar("T")
MAX_IDS = 10_000
_ATTEMPTS = 100
_STREAM_PAGE = 500


@attrs.frozen(kw_only=True)
class Context:
    """Whose repository it is, and where it takes time and identities from."""

    tenant: TenantId
    clock: Clock
    ids: IdGenerator


@attrs.frozen(kw_only=True)
class Selection:
    """What a store is asked to read: checked criteria, a total order and a place in it.

    Only what stands after `after` (exclusive), then `offset` entries skipped, `limit` at most.
    """

    criteria: Criteria
    order: Order
    limit: int
    after: Position | None = None
    offset: int = 0


class Repository(ABC, Generic[E]):
    """One tenant's entities of one type.

    Every operation is atomic by itself and sees what was acknowledged before it began. Nothing of
    another tenant's can be seen, changed or counted. Arguments are checked before the store is
    asked, so bad ones change nothing. What is returned is immutable and shares nothing with what
    is stored. Each operation costs one round trip unless it says otherwise; ids are found by index.

    Any operation may raise `StoreUnavailableError` or `StoreTimeoutError`, a writing one
    `OutcomeUnknownError`, and within a unit of work `TransactionError`.
    """

    schema: ClassVar[EntitySchema[Any]]

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def where(self) -> Where[E]:
        """Builds criteria for this repository."""
        return Where(self.schema)

    async def create(self, entity: E | Draft[E]) -> E:
        """Store a new entity and return it as stored.

        A draft gets tenant, times, revision 1 and, unless it has one, an id. A whole entity is
        stored exactly as it is, its id, times and revision included: that restores an export.

        Raises:
            DuplicateEntityError: naming the key that stands already; the id is one, too.
            TenantMismatchError: if it is a whole entity of another tenant.
        """
        made = self._identified(entity, self._context.clock.now())
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
        made = tuple(self._identified(entity, now) for entity in entities)
        if made:
            await self._insert(self.schema.in_writing_order(made))
        return made

    async def get_by_id(self, id: Any) -> E | None:
        """The entity, or None."""
        return await self._get(self.schema.check_id(id))

    async def require(self, id: Any) -> E:
        """The entity.

        Raises:
            EntityNotFoundError: if there is none.
        """
        found = await self._get(self.schema.check_id(id))
        if found is None:
            raise EntityNotFoundError(self.schema.name, id)
        return found

    async def get_many(self, ids: Iterable[Any]) -> tuple[E, ...]:
        """Those of at most 10 000 ids that exist, in the order asked for, each once."""
        asked = tuple(dict.fromkeys(self.schema.check_id(id) for id in ids))
        if len(asked) > MAX_IDS:
            raise InvalidQueryError(f"at most {MAX_IDS} ids at once")
        found = {entity.id: entity for entity in await self._get_many(asked)} if asked else {}
        return tuple(found[id] for id in asked if id in found)

    async def exists(self, id: Any) -> bool:
        """Whether there is such an entity. Never hides a failure."""
        return await self._exists(self.schema.check_id(id))

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
        return await self._replace(entity, self._context.clock.now())

    async def patch(self, id: Any, expected_revision: int | None = None, **changes: Any) -> E:
        """Set some fields, None included, without reading the entity first.

        Only what the schema calls patchable. Concurrent patches all take effect, the last one to
        a field wins; with `expected_revision` it is a compare-and-set.

        Raises:
            ValidationError: naming every field that can't be patched or isn't admitted.
            EntityNotFoundError, ConflictError, DuplicateEntityError: as `update`.
        """
        kept = self.schema.check_patch(changes)
        now = self._context.clock.now()
        return await self._patch(self.schema.check_id(id), expected_revision, kept, now)

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
        return await self._delete(self.schema.check_id(id), expected_revision)

    async def count(self, criteria: CriteriaLike = None) -> int:
        """How many match. Reads every match. Never hides a failure."""
        return await self._count(coerce(criteria, self.schema))

    async def list(
        self,
        criteria: CriteriaLike = None,
        pagination: Pagination | None = None,
        order: OrderLike = None,
    ) -> PaginatedResult[E]:
        """A page by number: for people who turn pages. For anything deep or complete, `scan`.

        With the total it costs two round trips and a read of every match; total and items are
        then read one after the other, and a write between may show in one only.
        """
        page = Pagination() if pagination is None else pagination
        checked = coerce(criteria, self.schema)
        selection = Selection(
            criteria=checked,
            order=Order.of(order, self.schema),
            limit=page.page_size + 1,
            offset=page.offset,
        )
        items = await self._select(selection)
        if not page.with_total:
            total = None
        elif len(items) <= page.page_size and (items or page.page == 1):
            total = page.offset + len(items)
        else:
            total = await self._count(checked)
        return PaginatedResult(
            items=tuple(items[: page.page_size]),
            total=total,
            page=page.page,
            page_size=page.page_size,
            has_next=len(items) > page.page_size,
        )

    async def scan(
        self,
        criteria: CriteriaLike = None,
        order: OrderLike = None,
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[E]:
        """A page of at most `limit` (1 to 1000) after a cursor; any page costs what the first does.

        Reading on to the end gives every match that was there throughout, at its place, exactly
        once, whatever else comes and goes meanwhile.

        Raises:
            InvalidQueryError: for a cursor of another tenant, criteria or order, or an altered one.
        """
        return await self._scan(self._select, criteria, order, after, limit)

    async def stream(
        self, criteria: CriteriaLike = None, order: OrderLike = None
    ) -> AsyncIterator[E]:
        """Every match in order, in constant memory; the same guarantee as `scan`."""
        checked, total_order = coerce(criteria, self.schema), Order.of(order, self.schema)
        after: Position | None = None
        while True:
            items = await self._select(
                Selection(criteria=checked, order=total_order, limit=_STREAM_PAGE, after=after)
            )
            for item in items:
                yield item
            if len(items) < _STREAM_PAGE:
                return
            after = total_order.position(items[-1])

    async def update_where(self, criteria: CriteriaLike, **changes: Any) -> int:
        """Patch every match in one atomic step; how many there were. None means every entity.

        Raises:
            ValidationError, DuplicateEntityError: as `patch`; then nothing was changed.
        """
        kept = self.schema.check_patch(changes)
        checked = coerce(criteria, self.schema)
        return await self._patch_where(checked, kept, self._context.clock.now())

    async def delete_where(self, criteria: CriteriaLike) -> int:
        """Remove every match in one atomic step; how many there were. None means every entity."""
        return await self._delete_where(coerce(criteria, self.schema))

    def _identified(self, entity: E | Draft[E], now: datetime) -> E:
        if isinstance(entity, Draft):
            new_id = None if entity.has_id else self._new_id()
            entity = entity.assigned(tenant=self._context.tenant, new_id=new_id, at=now)
        return self.schema.own(entity, self._context.tenant)  # type: ignore[no-any-return]  # E by its schema

    def _new_id(self) -> Any:
        return self._context.ids.new_uuid()

    async def _contended(
        self, id: Any, expected_revision: int | None, attempt: Callable[[E], Awaitable[T]]
    ) -> T:
        """Read and `attempt`; again, as `modify` says, while that raises `ConflictError`."""
        lost = 0
        while True:
            current = await self.require(id)
            if expected_revision is not None and current.revision != expected_revision:
                raise ConflictError(self.schema.name, id, expected_revision, current.revision)
            try:
                return await attempt(current)
            except ConflictError:
                lost += 1
                if expected_revision is not None or lost >= _ATTEMPTS:
                    raise
            await back_off(lost)

    async def _scan(
        self,
        select: Callable[[Selection], Any],
        criteria: CriteriaLike,
        order: OrderLike,
        after: str | None,
        limit: int,
    ) -> CursorPage[Any]:
        checked, total_order = coerce(criteria, self.schema), Order.of(order, self.schema)
        tenant = self._context.tenant
        selection = Selection(
            criteria=checked,
            order=total_order,
            limit=check_limit(limit) + 1,
            after=None if after is None else decode_cursor(after, tenant, checked, total_order),
        )
        items = await select(selection)
        if len(items) <= limit:
            return CursorPage(items=tuple(items), next=None)
        position = total_order.position(items[limit - 1])
        return CursorPage(
            items=tuple(items[:limit]),
            next=encode_cursor(tenant, checked, total_order, position),
        )

    # What a store implements. Arguments are checked; tenants, times and ids are assigned.

    @abstractmethod
    async def _insert(self, entities: Sequence[E]) -> None:
        """All or none, in this order; `DuplicateEntityError` names the key met first."""

    @abstractmethod
    async def _get(self, id: Any) -> E | None: ...

    @abstractmethod
    async def _get_many(self, ids: Sequence[Any]) -> Sequence[E]:
        """In any order."""

    @abstractmethod
    async def _exists(self, id: Any) -> bool: ...

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
    async def _count(self, criteria: Criteria) -> int: ...

    @abstractmethod
    async def _select(self, selection: Selection) -> Sequence[E]: ...

    @abstractmethod
    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int: ...

    @abstractmethod
    async def _delete_where(self, criteria: Criteria) -> int: ...


async def back_off(attempt: int) -> None:
    """Wait before trying again: full jitter (AWS Architecture Blog, 2015), 64 ms at most."""
    await asyncio.sleep(random.uniform(0, 0.001 * 2 ** min(attempt, 6)))
