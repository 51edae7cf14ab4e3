"""Conversation flows: what their store promises."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError
from domain.flows import FLOW_LIFECYCLE, Flow, FlowStatus
from domain.identity import TenantId, UserId
from domain.rules import checked
from ports.criteria import Criteria, CriteriaLike
from ports.flow_metrics import FlowMetrics
from ports.flow_versions import FlowVersions
from ports.paging import CursorPage, Order, OrderLike, PaginatedResult, Pagination
from ports.reading import Selection
from ports.schema import EntitySchema, FieldSchema, Kind, Unique

FLOW_SCHEMA = EntitySchema(
    entity=Flow,
    name="flow",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("name", Kind.TEXT, sortable=True, folded=True),
        FieldSchema("version", Kind.TEXT, sortable=True),
        FieldSchema("description", Kind.TEXT, nullable=True, folded=True),
        FieldSchema("status", Kind.ENUM, sortable=True, members=FlowStatus),
        FieldSchema("is_default", Kind.BOOLEAN),
        FieldSchema("fallback_flow_id", Kind.UUID, nullable=True),
        FieldSchema("tags", Kind.TEXTS),
        FieldSchema("category", Kind.TEXT, nullable=True, sortable=True, folded=True),
        FieldSchema("usage_count", Kind.INTEGER, sortable=True),
        FieldSchema("success_rate", Kind.NUMBER, nullable=True, sortable=True),
        FieldSchema("avg_completion_time_ms", Kind.NUMBER, nullable=True, sortable=True),
        FieldSchema("last_used_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("published_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("published_by", Kind.TEXT, nullable=True),
        FieldSchema("created_by", Kind.TEXT, nullable=True),
        FieldSchema("updated_by", Kind.TEXT, nullable=True),
        FieldSchema("created_at", Kind.INSTANT, sortable=True),
        FieldSchema("updated_at", Kind.INSTANT, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
    ],
    unique=(Unique(("name", "version")), Unique((), where="is_default")),
    patchable=frozenset(
        {
            "name",
            "description",
            "trigger_conditions",
            "fallback_flow_id",
            "tags",
            "category",
            "success_rate",
            "avg_completion_time_ms",
            "updated_by",
        }
    ),
    maintained=frozenset({"usage_count", "last_used_at"}),
    searchable=("name", "description", "category", "tags"),
    lifecycle=FLOW_LIFECYCLE,
)


@attrs.frozen(kw_only=True, slots=False)
class FlowSummary:
    """A flow without its definition: what a list shows, at a fraction of the cost.

    (No slots: a store fills an instance in one step.)
    """

    id: UUID
    tenant_id: TenantId
    name: str
    version: str
    description: str | None
    status: FlowStatus
    is_default: bool
    fallback_flow_id: UUID | None
    tags: tuple[str, ...]
    category: str | None
    usage_count: int
    success_rate: float | None
    avg_completion_time_ms: float | None
    last_used_at: datetime | None
    published_at: datetime | None
    published_by: UserId | None
    created_by: UserId | None
    updated_by: UserId | None
    created_at: datetime
    updated_at: datetime
    revision: int


class FlowRepository(FlowVersions, FlowMetrics):
    """A tenant's flows, with their kept versions and daily figures.

    Unique: name and version together; and at most one default, which is active. Deleting a flow
    deletes its versions and figures. `fallback_flow_id` is not checked against existing flows.
    Named operations that change a flow raise its revision by one, as every write does, but for
    `increment_usage`, which raises neither revision nor `updated_at`.
    """

    schema = FLOW_SCHEMA

    async def get_by_name_and_version(self, name: str, version: str) -> Flow | None:
        """The flow of that name and version, or None; by index."""
        found = await self._select(
            self._first(self.where("name").eq(name) & self.where("version").eq(version))
        )
        return found[0] if found else None

    async def get_active(self, limit: int = 50) -> tuple[Flow, ...]:
        """At most `limit` active flows: most recently used first, never used last; by index."""
        page = await self.scan(
            self.where("status").eq(FlowStatus.ACTIVE), "-last_used_at", limit=limit
        )
        return page.items

    async def get_default(self) -> Flow | None:
        """The tenant's default flow, or None; by index."""
        found = await self._select(self._first(self.where("is_default").eq(True)))
        return found[0] if found else None

    async def set_default(self, id: UUID, *, by: str | None = None) -> Flow:
        """Make an active flow the tenant's only default, atomically; whoever was it no longer is.

        At every moment there is at most one, also when two callers race. Both flows are one
        revision on. A flow that is the default already is returned as it is, unchanged.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: if it isn't active.
        """
        self.schema.check_id(id)
        await self._admit()
        return await self._swap_default(id, by, self._context.clock.now())

    async def unset_default(self, *, by: str | None = None) -> bool:
        """Leave the tenant without a default; whether it had one."""
        current = await self.get_default()
        if current is None:
            return False
        await self.modify(
            current.id,
            lambda flow: flow.edited(by=by).as_default(False) if flow.is_default else flow,
        )
        return True

    async def publish(
        self, id: UUID, *, by: str | None = None, expected_revision: int | None = None
    ) -> Flow:
        """Make the flow active, as `Flow.publish` says.

        Raises:
            ValidationError: if its definition has faults; all of them are named.
            TransitionNotAllowedError: if it is archived.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        now = self._context.clock.now()
        return await self.modify(id, lambda flow: flow.publish(by=by, at=now), expected_revision)

    async def move_to(
        self,
        id: UUID,
        status: FlowStatus,
        *,
        by: str | None = None,
        expected_revision: int | None = None,
    ) -> Flow:
        """Change the status as the table of transitions allows; to active, use `publish`.

        A flow that is in that status already is returned as it is.

        Raises:
            TransitionNotAllowedError: naming both statuses.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        target: FlowStatus = checked(Flow, "status", status)
        if target is FlowStatus.ACTIVE:
            raise ValidationError("Flow", [Fault("status", "becomes active by publish only")])
        return await self.modify(
            id,
            lambda flow: flow if flow.status is target else flow.moved_to(target, by=by),
            expected_revision,
        )

    async def archive(
        self, id: UUID, *, by: str | None = None, expected_revision: int | None = None
    ) -> Flow:
        """Take the flow out of use; it is no longer the default. Errors as `move_to`."""
        return await self.move_to(
            id, FlowStatus.ARCHIVED, by=by, expected_revision=expected_revision
        )

    async def restore(
        self, id: UUID, *, by: str | None = None, expected_revision: int | None = None
    ) -> Flow:
        """Bring an archived flow back as a draft.

        Raises:
            ValidationError: if it isn't archived.
            EntityNotFoundError, ConflictError: as `modify`.
        """
        return await self.modify(id, lambda flow: flow.restore(by=by), expected_revision)

    async def increment_usage(
        self, id: UUID, amount: int = 1, *, at: datetime | None = None
    ) -> int:
        """Count uses; the new count. Atomic: none is lost, however many count at once.

        `last_used_at` becomes `at` (now, if None) unless it is later already.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: unless `amount` is an integer of 1 to 1 000 000, `at` a time with a
                zone, and the new count within 64 bits.
        """
        if not isinstance(amount, int) or isinstance(amount, bool) or not 1 <= amount <= 10**6:
            raise ValidationError("Flow", [Fault("amount", "must be an integer of 1 to 1000000")])
        used_at = checked(Flow, "last_used_at", self._context.clock.now() if at is None else at)
        flow = self.schema.check_id(id)
        await self._admit()
        return await self._count_use(flow, amount, used_at)

    async def search(
        self,
        text: str,
        statuses: Iterable[FlowStatus | str] | None = None,
        tags: Iterable[str] | None = None,
        pagination: Pagination | None = None,
    ) -> PaginatedResult[Flow]:
        """Flows in which every word of `text` occurs, ignoring case and form, newest first.

        A word may occur anywhere (a part of a word counts) in name, description, category or tags.
        Only flows in one of `statuses` and with every one of `tags`, where given; an empty
        `statuses` finds nothing. A blank `text` leaves these filters alone to decide. By index
        for words of three and more characters.
        """
        wanted = self.where.search(text)
        if statuses is not None:
            wanted &= self.where("status").in_(statuses)
        if tags is not None:
            wanted &= self.where("tags").all_of(tags)
        return await self.list(wanted, pagination, "-created_at")

    async def summaries(
        self,
        criteria: CriteriaLike = None,
        order: OrderLike = None,
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[FlowSummary]:
        """As `scan`, without definitions: the store doesn't even read them."""
        page: CursorPage[FlowSummary] = await self._scan(
            self._select_summaries, criteria, order, after, limit
        )
        return page

    def _first(self, criteria: Criteria) -> Selection:
        return Selection(criteria=criteria, order=Order.of(None, self.schema), limit=1)

    # What a store implements beside the primitives of every repository.

    @abstractmethod
    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow: ...

    @abstractmethod
    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int: ...

    @abstractmethod
    async def _select_summaries(self, selection: Selection) -> Sequence[FlowSummary]: ...
