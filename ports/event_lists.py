"""Analytics events one by one, in order of time: for exports, and to see what figures come from."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from domain.analytics import AnalyticsEvent
from domain.conversations import Channel
from domain.rules import checked
from ports.criteria import And, CriteriaLike, Where, coerce
from ports.errors import InvalidQueryError
from ports.paging import (
    CursorPage,
    Order,
    OrderLike,
    Position,
    check_limit,
    decode_cursor,
    encode_cursor,
)
from ports.reading import Context, Selection
from ports.schema import EntitySchema, FieldSchema, Kind

EVENT_SCHEMA: Final = EntitySchema(
    entity=AnalyticsEvent,
    name="analytics event",
    fields=[
        FieldSchema("id", Kind.TEXT, sortable=True),
        FieldSchema("at", Kind.INSTANT, sortable=True),
        FieldSchema("type", Kind.TEXT),
        FieldSchema("flow_id", Kind.UUID, nullable=True),
        FieldSchema("conversation_id", Kind.TEXT, nullable=True),
        FieldSchema("user_id", Kind.TEXT, nullable=True),
        FieldSchema("channel", Kind.ENUM, nullable=True, members=Channel),
    ],
)
_STREAM_PAGE: Final = 500


class EventLists(ABC):
    """The part of `Analytics` that lists a tenant's events.

    Criteria may name id, time, type, flow, conversation, user and channel; not dimensions and
    measures. The order is that of time (`at`, those of one time by id) unless it is said otherwise:
    `-at` for the latest first, or `id`. Each is that of an index, in which as much is read as the
    criteria leave between where a page begins and where it is full; those of one time come by id in
    the same direction, and no other way.

    Going on to the end gives every event that was there throughout exactly once, whatever is
    recorded or removed meanwhile. What has expired is absent.
    """

    def __init__(self, context: Context, retention: timedelta | None) -> None:
        self._context = context
        self._retention = retention

    @property
    def where(self) -> Where[AnalyticsEvent]:
        """Builds criteria for events."""
        return Where(EVENT_SCHEMA)

    async def scan(
        self,
        criteria: CriteriaLike = None,
        order: OrderLike = "at",
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[AnalyticsEvent]:
        """A page of at most `limit` (1 to 1000) events after a cursor; one round trip.

        Raises:
            InvalidQueryError: for criteria, orders and limits that can't be, and for a cursor of
                another tenant, criteria or order, or an altered one.
            CorruptRecordError: if what is stored can't be read.
        """
        selection = _selection(criteria, order, check_limit(limit) + 1)
        wanted, total_order, tenant = selection.criteria, selection.order, self._context.tenant
        if after is not None:
            place = decode_cursor(after, tenant, wanted, total_order)
            selection = evolve(selection, after=place)
        found = await self._unexpired(selection)
        if len(found) <= limit:
            return CursorPage(items=tuple(found), next=None)
        position = total_order.position(found[limit - 1])
        return CursorPage(
            items=tuple(found[:limit]),
            next=encode_cursor(tenant, wanted, total_order, position),
        )

    async def stream(
        self, criteria: CriteriaLike = None, order: OrderLike = "at"
    ) -> AsyncIterator[AnalyticsEvent]:
        """Every match, in constant memory; one round trip for each 500. Raises as `scan`."""
        selection = _selection(criteria, order, _STREAM_PAGE)
        after: Position | None = None
        while True:
            found = await self._unexpired(evolve(selection, after=after))
            for event in found:
                yield event
            if len(found) < _STREAM_PAGE:
                return
            after = selection.order.position(found[-1])

    async def _unexpired(self, selection: Selection) -> Sequence[AnalyticsEvent]:
        expired = self._expired()
        if expired is not None:
            terms = (selection.criteria, self.where("at").gt(expired))
            selection = evolve(selection, criteria=And(schema=EVENT_SCHEMA, terms=terms))
        return await self._select(selection)

    def _expired(self) -> datetime | None:
        """What happened then or before is gone."""
        if self._retention is None:
            return None
        now: datetime = checked(AnalyticsEvent, "at", self._context.clock.now())
        return now - self._retention

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _select(self, selection: Selection) -> Sequence[AnalyticsEvent]: ...


def _selection(criteria: CriteriaLike, order: OrderLike, limit: int) -> Selection:
    wanted, made = coerce(criteria, EVENT_SCHEMA), Order.of(order, EVENT_SCHEMA)
    if len({key.descending for key in made.keys}) > 1:
        raise InvalidQueryError("events are listed in one direction, by time as well as by id")
    return Selection(criteria=wanted, order=made, limit=limit)
