"""Reading one tenant's entities, or entries of logs, of one type."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from domain.identity import NOBODY, Author, Entry, TenantId
from domain.rules import argument, instance
from ports.criteria import Criteria, CriteriaLike, Where, coerce
from ports.errors import EntityNotFoundError, InvalidQueryError
from ports.gate import OPEN, Gate
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
from ports.schema import EntitySchema, Kind
from ports.secrets import SecretBox
from ports.time import Clock, IdGenerator

E = TypeVar("E", bound=Entry)
T = TypeVar("T")
MAX_IDS = 10_000
_STREAM_PAGE = 500
_COLLECTION = instance(Iterable)


@attrs.frozen(kw_only=True)
class Context:
    """Whose repository it is, where it takes time and identities from, and who uses it."""

    tenant: TenantId
    clock: Clock
    ids: IdGenerator
    author: Author = NOBODY
    secrets: SecretBox | None = attrs.field(default=None, repr=False)
    """What seals secrets before they are stored."""
    gate: Gate = attrs.field(default=OPEN, repr=False)
    """What every write passes."""


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


class Reading(ABC, Generic[E]):
    """One tenant's entities of one type, as far as they are read.

    Every operation sees what was acknowledged before it began. Nothing of another tenant's can be
    seen or counted. Arguments are checked before the store is asked. What is returned is immutable
    and shares nothing with what is stored. Each operation costs one round trip unless it says
    otherwise; ids are found by index.

    Any operation may raise `StoreUnavailableError` or `StoreTimeoutError`, and within a unit of
    work `TransactionError`; what returns entities may raise `CorruptRecordError`.
    """

    schema: ClassVar[EntitySchema[Any]]

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def where(self) -> Where[E]:
        """Builds criteria for this repository."""
        return Where(self.schema)

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
        if not isinstance(ids, Iterable) or isinstance(ids, str):
            raise InvalidQueryError("ids must be a collection of them")
        asked = tuple(dict.fromkeys(self.schema.check_id(id) for id in ids))
        if len(asked) > MAX_IDS:
            raise InvalidQueryError(f"at most {MAX_IDS} ids at once")
        found = {entity.id: entity for entity in await self._get_many(asked)} if asked else {}
        return tuple(found[id] for id in asked if id in found)

    async def exists(self, id: Any) -> bool:
        """Whether there is such an entity. Never hides a failure."""
        return await self._exists(self.schema.check_id(id))

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
        if not isinstance(page, Pagination):
            raise InvalidQueryError("a page by number is asked for by a Pagination")
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

    def _new_id(self) -> Any:
        """A UUIDv7, or its text where ids are text."""
        ids = self._context.ids
        return ids.new_text() if self.schema.fields["id"].kind is Kind.TEXT else ids.new_uuid()

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

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _get(self, id: Any) -> E | None: ...

    @abstractmethod
    async def _get_many(self, ids: Sequence[Any]) -> Sequence[E]:
        """In any order."""

    @abstractmethod
    async def _exists(self, id: Any) -> bool: ...

    @abstractmethod
    async def _count(self, criteria: Criteria) -> int: ...

    @abstractmethod
    async def _select(self, selection: Selection) -> Sequence[E]: ...


def several(subject: str, candidate: Iterable[T]) -> Iterable[T]:
    """What was given as a collection to be written, if it is one.

    Raises:
        ValidationError: naming what it should be of.
    """
    return argument(subject, "", candidate, _COLLECTION)  # type: ignore[no-any-return]  # as given


async def back_off(attempt: int) -> None:
    """Wait before trying again: full jitter (AWS Architecture Blog, 2015), 64 ms at most."""
    await asyncio.sleep(random.uniform(0, 0.001 * 2 ** min(attempt, 6)))
