"""The conversation repository: what every store of conversations promises."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime

from domain.conversations import (
    CONVERSATION_LIFECYCLE,
    STATE_NAME,
    Channel,
    Conversation,
    ConversationStatus,
)
from domain.rules import argument, checked, instant
from ports.batches import in_batches
from ports.criteria import Criteria
from ports.paging import OrderLike, PaginatedResult, Pagination
from ports.repository import Repository
from ports.schema import EntitySchema, FieldSchema, Kind, SearchBy

IDLE_BATCH = 1_000
IDLE_REASON = "idle"

CONVERSATION_SCHEMA = EntitySchema(
    entity=Conversation,
    name="conversation",
    fields=[
        FieldSchema("id", Kind.TEXT, sortable=True),
        FieldSchema("user_id", Kind.TEXT, sortable=True),
        FieldSchema("session_id", Kind.TEXT, nullable=True),
        FieldSchema("channel", Kind.ENUM, members=Channel),
        FieldSchema("status", Kind.ENUM, members=ConversationStatus, sortable=True),
        FieldSchema("status_reason", Kind.TEXT, nullable=True),
        FieldSchema("started_at", Kind.INSTANT, sortable=True),
        FieldSchema("last_activity_at", Kind.INSTANT, sortable=True),
        FieldSchema("completed_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("flow_id", Kind.UUID, nullable=True),
        FieldSchema("flow_version", Kind.TEXT, nullable=True, sortable=True),
        FieldSchema("current_state", Kind.TEXT, nullable=True),
        FieldSchema("experiment_id", Kind.UUID, nullable=True),
        FieldSchema("variant", Kind.TEXT, nullable=True),
        FieldSchema("tags", Kind.TEXTS),
        FieldSchema("summary", Kind.TEXT, nullable=True, folded=True),
        FieldSchema("last_sequence", Kind.INTEGER),
        FieldSchema("message_count", Kind.INTEGER, sortable=True),
        FieldSchema("retain_until", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("created_at", Kind.INSTANT, sortable=True),
        FieldSchema("updated_at", Kind.INSTANT, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
    ],
    patchable=frozenset(
        {
            "user_id",
            "session_id",
            "channel_metadata",
            "flow_id",
            "flow_version",
            "tags",
            "summary",
            "business_context",
            "metrics",
            "retain_until",
        }
    ),
    maintained=frozenset({"last_sequence", "message_count", "last_activity_at"}),
    searchable=("summary",),
    search_by=SearchBy.WORDS,
    lifecycle=CONVERSATION_LIFECYCLE,
)


class ConversationRepository(Repository[Conversation]):
    """One tenant's conversations.

    A conversation's messages and context belong to it: who deletes it deletes them, in the same
    step (five round trips in stores that need a transaction), the time for which grows with the
    messages. One with more than 20 000 messages may go in several steps, the oldest messages first
    and itself last; if that is interrupted (an `OutcomeUnknownError`, or a cancellation), it stands
    with the rest of its messages, its `message_count` theirs, until it is deleted again. Within a
    unit of work, and by `delete_where`, everything is one step, or an error if the store can't.

    Orders by `started_at`, `last_activity_at` and `id` read an index; others sort the tenant's
    conversations that match.
    """

    schema = CONVERSATION_SCHEMA

    async def get_active_for_user(
        self, user_id: str, *, channel: Channel | str | None = None, limit: int = 50
    ) -> tuple[Conversation, ...]:
        """A user's active conversations, on one channel or all, the latest activity first.

        At most `limit` (1 to 1000). By index.
        """
        wanted = self.where("user_id").eq(user_id) & self.where("status").eq("active")
        if channel is not None:
            wanted &= self.where("channel").eq(channel)
        page = await self.scan(wanted, "-last_activity_at", limit=limit)
        return page.items

    async def list_by_tenant(
        self,
        *,
        statuses: Sequence[ConversationStatus | str] | None = None,
        channels: Sequence[Channel | str] | None = None,
        user_id: str | None = None,
        started_from: datetime | None = None,
        started_before: datetime | None = None,
        text: str = "",
        pagination: Pagination | None = None,
        order: OrderLike = "-started_at",
    ) -> PaginatedResult[Conversation]:
        """The conversations that meet all of this, by default those started last first.

        `text`: each of its terms begins a word of the summary (see `domain.words`). An empty list
        of statuses or channels finds nothing; None doesn't restrict. Costs as `list`; the text, the
        user and the order are found by index, and what has another status or channel is read on
        the way.
        """
        wanted: Criteria = self.where.search(text)
        if statuses is not None:
            wanted &= self.where("status").in_(statuses)
        if channels is not None:
            wanted &= self.where("channel").in_(channels)
        if user_id is not None:
            wanted &= self.where("user_id").eq(user_id)
        if started_from is not None or started_before is not None:
            wanted &= self.where("started_at").date_range(started_from, started_before)
        return await self.list(wanted, pagination, order)

    async def transition(
        self,
        id: str,
        status: ConversationStatus | str,
        *,
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> Conversation:
        """Move a conversation to another status, with the reason for it.

        Atomic: of racing transitions each is judged by the status that it finds, and refused if
        that can't lead to its own. A closed conversation gets the time as `completed_at`, unless it
        has one. A move to the status in which it is changes nothing. Two round trips, more while
        others win.

        Raises:
            TransitionNotAllowedError: naming both statuses; nothing was changed.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        target: ConversationStatus = checked(Conversation, "status", status)
        why = checked(Conversation, "status_reason", reason)
        now = self._context.clock.now()

        def moved(conversation: Conversation) -> Conversation:
            if conversation.status is target:
                return conversation
            return conversation.moved_to(target, at=now, reason=why)

        return await self.modify(id, moved, expected_revision)

    async def enter_state(
        self, id: str, state: str, *, expected_revision: int | None = None
    ) -> Conversation:
        """Set the state of the flow in which the conversation is; the last 100 are remembered.

        Raises:
            ConversationClosedError: if it is closed.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        named = argument(self.schema.name, "state", state, STATE_NAME)
        now = self._context.clock.now()
        return await self.modify(id, lambda found: found.entered(named, at=now), expected_revision)

    async def touch(self, id: str, *, at: datetime | None = None) -> Conversation:
        """Something happened in the conversation, now or `at` another time; as it is then.

        `last_activity_at` never goes back. Neither the revision nor `updated_at` is raised. A
        closed conversation may be touched, and stays closed: what is returned says so.

        Raises:
            EntityNotFoundError: if there is none.
        """
        time = self._context.clock.now() if at is None else at
        named, kept = self.schema.check_id(id), argument(self.schema.name, "at", time, instant)
        await self._admit()
        return await self._touch(named, kept)

    async def close_idle(self, before: datetime, *, limit: int | None = None) -> int:
        """Time out the active conversations in which nothing happened since `before` (exclusive),
        those first in which nothing happened for longest (and of these by id); how many, at most
        `limit`.

        They become `timeout`, with the reason `idle`. One in which something happens meanwhile
        stays active. In batches of at most 1 000, each one round trip to find and one to close;
        interrupted, it may be called again and goes on. Within a unit of work all batches are part
        of it: they take effect with it, and something that happens meanwhile is a
        `TransactionError`; so give a limit. For all tenants: the maintenance port.
        """
        until = argument(self.schema.name, "before", before, instant)
        await self._admit()
        return await in_batches(
            lambda size: self._close_idle(until, self._now(), size), limit, IDLE_BATCH
        )

    def _now(self) -> datetime:
        now: datetime = checked(Conversation, "updated_at", self._context.clock.now())
        return now

    @abstractmethod
    async def _touch(self, id: str, at: datetime) -> Conversation: ...

    @abstractmethod
    async def _close_idle(self, before: datetime, now: datetime, limit: int) -> tuple[int, bool]:
        """One batch: how many were closed, and whether there may be more."""
