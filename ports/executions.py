"""One tenant's execution states: what every store of them promises."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from attrs import evolve

from domain.contexts import ExecutionContext
from domain.errors import Fault, ValidationError
from domain.executions import LONGEST_TTL, ExecutionState
from domain.identity import NO_TIME, Draft, TenantId
from domain.rules import argument, checked, optional, whole
from ports.errors import (
    DuplicateEntityError,
    ErasedError,
    LockLostError,
    UnsupportedOperationError,
)
from ports.keyed import KeyedStore
from ports.schema import EntitySchema, FieldSchema, Kind

EXECUTION_SCHEMA = EntitySchema(
    entity=ExecutionState,
    name="execution_state",
    fields=[FieldSchema("id", Kind.TEXT)],
    patchable=frozenset(
        {
            "flow_id",
            "flow_version",
            "current_state",
            "slots",
            "variables",
            "intent_stack",
            "turn_count",
            "error_count",
            "retry_count",
            "timings",
            "ttl",
        }
    ),
)
FENCED_FOR: Final = timedelta(days=1)
"""How long a fencing token is remembered after the state that it was used for is gone."""

ERASED_FOR: Final = LONGEST_TTL
"""How long no state can be begun for a conversation that was erased: until nobody can hold one any
more that was begun before."""

_FENCE = optional(whole(0, 2**53 - 1))


class ExecutionStore(KeyedStore[ExecutionState]):
    """One tenant's execution states, at most one a conversation, named by its id.

    A state is kept for its `ttl` (1 s to 90 days; a day unless said otherwise) after it was last
    written, whatever of it; reading doesn't count.

    **Fencing.** Whoever writes under a lock hands its fencing token (0 to 2^53 - 1) to each write.
    The greatest token that wrote to a conversation's state is remembered, also for a day after the
    state was deleted or expired; a write with a smaller one is refused with `LockLostError` before
    anything else is looked at, and changes nothing. So one that lost its lock without knowing can't
    undo what the next holder did. A refused write leaves no token; one without a token is never
    refused for it, and leaves none. (Martin Kleppmann, "How to do distributed locking", 2016.)
    """

    schema = EXECUTION_SCHEMA

    async def get(self, conversation_id: str) -> ExecutionState | None:
        """The conversation's state, or None."""
        return await self._read(self._id(conversation_id), False, None)

    async def require(self, conversation_id: str) -> ExecutionState:
        """The conversation's state.

        Raises:
            EntityNotFoundError: if there is none.
        """
        return await self._require(self._id(conversation_id))

    async def save(
        self, state: ExecutionState | Draft[ExecutionState], *, fencing_token: int | None = None
    ) -> ExecutionState:
        """Store a new state, given a draft, or the next revision of one (compare-and-set).

        Raises, the first that holds:
            TenantMismatchError: if it is another tenant's.
            LockLostError: if a greater token wrote before.
            ErasedError: for a draft, if the conversation was erased with its user, 90 days long.
            DuplicateEntityError: for a draft, if the conversation has a state.
            EntityNotFoundError: if there is none any more; an expired one isn't revived.
            ConflictError: if another write came first; nothing was changed.
        """
        fence = self._fence(fencing_token)
        if not isinstance(state, Draft):
            return await self._update(state, fence)
        made = state.assigned(tenant=self._tenant, new_id=None, at=NO_TIME)
        owned = self.schema.own(made, self._tenant)
        await self._admit(owned)
        stored = await self._insert(owned, fence)
        if stored is None:
            raise DuplicateEntityError(self.schema.name, ("id",))
        return stored

    async def modify(
        self,
        conversation_id: str,
        change: Callable[[ExecutionState], ExecutionState],
        expected_revision: int | None = None,
        *,
        fencing_token: int | None = None,
    ) -> ExecutionState:
        """Read, apply `change` (pure: it may run several times), and write if nobody came between.

        Without `expected_revision` it is tried again as long as others win, for 10 seconds. Two
        round trips, one more for each lost attempt. A `change` that returns its argument writes
        nothing.

        Raises, the first that holds:
            LockLostError: if a greater token wrote before.
            EntityNotFoundError: if there is none, or it expired meanwhile.
            ConflictError: if the revision isn't the expected one, or others won all the time.
            ValidationError: if id, tenant or revision is another; and what `change` raises.
        """
        fence = self._fence(fencing_token)
        return await self._modify(self._id(conversation_id), change, expected_revision, fence)

    async def patch(
        self,
        conversation_id: str,
        expected_revision: int | None = None,
        *,
        fencing_token: int | None = None,
        **changes: object,
    ) -> ExecutionState:
        """Set some fields, None included; all but id, times, revision and `previous_states`.
        Concurrent patches all take effect. Cost and errors as `modify`.
        """
        fence = self._fence(fencing_token)
        return await self._patch(self._id(conversation_id), expected_revision, changes, fence)

    async def enter_state(
        self,
        conversation_id: str,
        state: str,
        *,
        expected_revision: int | None = None,
        fencing_token: int | None = None,
    ) -> ExecutionState:
        """Enter another state of the flow, remembering the one that is left. Cost and errors as
        `modify`.
        """
        named = checked(ExecutionState, "current_state", state)
        if named is None:
            raise ValidationError("ExecutionState", [Fault("current_state", "must be text")])
        return await self.modify(
            conversation_id,
            lambda found: found.entered(named),
            expected_revision,
            fencing_token=fencing_token,
        )

    async def update_slots(
        self,
        conversation_id: str,
        slots: Mapping[str, object],
        *,
        expected_revision: int | None = None,
        fencing_token: int | None = None,
    ) -> ExecutionState:
        """Set these slots; the others stay, and None is a value. Concurrent updates all take
        effect, the last one to a slot wins. Cost and errors as `modify`.
        """
        added = checked(ExecutionState, "slots", slots)
        return await self.modify(
            conversation_id,
            lambda found: found.with_slots(added),
            expected_revision,
            fencing_token=fencing_token,
        )

    async def update_variables(
        self,
        conversation_id: str,
        variables: Mapping[str, object],
        *,
        expected_revision: int | None = None,
        fencing_token: int | None = None,
    ) -> ExecutionState:
        """Set these variables, as `update_slots` does slots."""
        added = checked(ExecutionState, "variables", variables)
        return await self.modify(
            conversation_id,
            lambda found: found.with_variables(added),
            expected_revision,
            fencing_token=fencing_token,
        )

    async def extend(
        self, conversation_id: str, ttl: timedelta, *, fencing_token: int | None = None
    ) -> ExecutionState:
        """Keep it for so long from now, and from each later write. Cost and errors as `modify`."""
        kept: timedelta = checked(ExecutionState, "ttl", ttl)
        return await self.modify(
            conversation_id, lambda found: evolve(found, ttl=kept), fencing_token=fencing_token
        )

    async def delete(self, conversation_id: str, *, fencing_token: int | None = None) -> bool:
        """Remove the state; False if there was none. Its fencing tokens are remembered for a day.

        Raises:
            LockLostError: if a greater token wrote before.
        """
        return await self._remove(self._id(conversation_id), self._fence(fencing_token))

    async def sync_to_context(self, conversation_id: str) -> ExecutionContext:
        """Write the state to the conversation's context now; the context as it stands then. See
        `ports.synchronisation`.

        Raises:
            EntityNotFoundError: if there is no state, or neither a context nor a conversation.
            UnsupportedOperationError: if states aren't synchronised here.
        """
        raise UnsupportedOperationError("synchronisation of execution states is switched off")

    def _id(self, conversation_id: object) -> str:
        id: str = self.schema.check_id(conversation_id)
        return id

    def _fence(self, candidate: object) -> int | None:
        kept: int | None = argument(self.schema.name, "fencing_token", candidate, _FENCE)
        return kept

    # What a store implements, beside what `KeyedStore` asks for. Arguments are checked. With a
    # fence, each of these, `_read` and `_replace` raise `LockLostError` if a greater one wrote
    # before, and what writes keeps it.

    @abstractmethod
    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        """Store it as created now; None if there is one."""

    @abstractmethod
    async def _remove(self, id: str, fence: int | None) -> bool: ...


def overtaken() -> LockLostError:
    """What a store raises for a fencing token that is too small."""
    return LockLostError("a later holder of the lock wrote to the execution state before")


def erased(tenant: TenantId) -> Exception:
    """What a store raises for a state of a conversation that was erased with its user."""
    return ErasedError(tenant)
