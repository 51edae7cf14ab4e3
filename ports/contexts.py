"""The repository of execution contexts: what every store of them promises."""

from domain.contexts import ExecutionContext
from domain.identity import Draft
from domain.rules import checked
from ports.repository import Repository
from ports.schema import EntitySchema, FieldSchema, Kind

CONTEXT_SCHEMA = EntitySchema(
    entity=ExecutionContext,
    name="execution_context",
    fields=[
        FieldSchema("id", Kind.TEXT, sortable=True),
        FieldSchema("user_id", Kind.TEXT, sortable=True),
        FieldSchema("flow_id", Kind.UUID, nullable=True),
        FieldSchema("current_state", Kind.TEXT, nullable=True, sortable=True),
        FieldSchema("previous_states", Kind.TEXTS),
        FieldSchema("error_count", Kind.INTEGER, sortable=True),
        FieldSchema("reset_reason", Kind.TEXT, nullable=True, folded=True),
        FieldSchema("reset_at", Kind.INSTANT, nullable=True, sortable=True),
        FieldSchema("created_at", Kind.INSTANT, sortable=True),
        FieldSchema("updated_at", Kind.INSTANT, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
    ],
    patchable=frozenset(
        {
            "user_id",
            "flow_id",
            "current_state",
            "slots",
            "variables",
            "user_profile",
            "integration_results",
            "error_count",
            "reset_reason",
        }
    ),
)


class ContextRepository(Repository[ExecutionContext]):
    """One tenant's execution contexts, at most one a conversation, named by its id.

    A context may be saved before its conversation is; it goes when that is deleted. One that is
    saved after that stays until it is deleted itself, or the tenant is erased. Orders by `id` read
    an index; others sort the tenant's contexts that match.
    """

    schema = CONTEXT_SCHEMA

    async def get(self, conversation_id: str) -> ExecutionContext | None:
        """The conversation's context, or None."""
        return await self.get_by_id(conversation_id)

    async def save(self, context: ExecutionContext | Draft[ExecutionContext]) -> ExecutionContext:
        """Store a new context, given a draft, or the next revision of one (compare-and-set).

        Raises:
            DuplicateEntityError: for a draft, if the conversation has a context.
            EntityNotFoundError, ConflictError: as `update`; nothing was changed.
        """
        if isinstance(context, Draft):
            return await self.create(context)
        return await self.update(context)

    async def reset(
        self,
        conversation_id: str,
        reason: str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> ExecutionContext:
        """Take the context back to its beginning, keeping user, flow and the user's profile, and
        the reason. Two round trips, more while others win.

        Raises:
            EntityNotFoundError, ConflictError: as `modify`.
        """
        why = checked(ExecutionContext, "reset_reason", reason)
        now = self._context.clock.now()
        return await self.modify(
            conversation_id, lambda found: found.reset(at=now, reason=why), expected_revision
        )
