"""Execution states that outlive their store: synchronised with their contexts, restored from them.

An execution state is hot: it lies in a store that may lose everything. Its conversation's execution
context is durable. `SynchronisedExecutions` composes the two, whichever adapters they have:

**Written behind.** Every change of a state leaves a note beside it, in the same atomic step. Some
moments later a worker (see `ports.write_behind`) writes the state into the context: flow, current
and previous states, slots, variables and errors into the fields of the same names, the rest into
`execution`, its mark. `sync_to_context` does so at once. What else the context holds stays. A
conversation without a context gets one, as its user's; of one without a conversation as well, as
long as it has neither, nothing is kept.

**Compare-and-set.** A mark says of which life of the state it is (one that was deleted and begun
anew is another) and at which revision. What is older than the mark is never written, whoever was
held up and for how long; of several writers the latest state prevails. A store that comes back with
an old snapshot of its own isn't noticed: its states are used, and synchronised again once they have
passed the marked revision.

**Restored.** Where the hot store has neither a state nor a note, it may have lost them; so any
operation looks into the context then, and whatever it finds there is restored before the operation
goes on. It is never older than what was synchronised last, it keeps its remaining time to live, the
greatest fencing token that was synchronised counts again, and it takes no time that it hasn't: the
hot store's own clock decides. Of any number of processes that restore at once, one does, and all
see its outcome: a process first claims a revision by compare-and-set on the context, after which
nothing older is synchronised any more, then stores the state if there is none. The claimed revision
is 2^32 beyond the synchronised one: so whoever still holds a state from before the loss, be it a
later one that wasn't synchronised, is told by a `ConflictError`. A state that was changed
meanwhile is never replaced.

**What ended stays so.** A state that expired isn't restored, also if the context has an earlier
revision that would have lived longer: the note, which outlives the state, says that it is known. A
deletion is acknowledged once the context says that it ended, and isn't restored any more. Where the
context can't be told, `delete` raises `OutcomeUnknownError`: the state is gone, and a worker tells
the context later, but if everything is lost before that, it comes back. What a context is
reset to isn't restored either, until the state was changed and synchronised again.

**What is lost** when the hot store loses everything: what was changed since the last
synchronisation, at most the worker's lag.

**Cost.** Nothing for what finds its state, but for the note. Where there is none, a round trip to
the hot store more, and if that has no note, one to the contexts. A draft costs as much as both. A
restoration writes the context once.
"""

from typing import Final

from attrs import evolve

from domain.contexts import ExecutionContext
from domain.errors import ValidationError
from domain.execution_marks import ExecutionMark
from domain.executions import ExecutionState
from domain.identity import TenantId
from ports.contexts import CONTEXT_SCHEMA
from ports.errors import (
    ConflictError,
    CorruptRecordError,
    DuplicateEntityError,
    EntityNotFoundError,
    ErasedError,
    OutcomeUnknownError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from ports.executions import ExecutionStore
from ports.keyed import Replaced
from ports.reading import back_off
from ports.tracking import Seen, TrackedExecutions
from ports.unit_of_work import DialogueRepositories

CLAIMED: Final = 2**32
"""How far a claimed revision is beyond the last one that is known: more than anyone wrote since."""

_ROUNDS: Final = 3
"""How often a state that is changed all the time is looked at again."""

_LOST: Final = 100
"""How often others may come between: some seconds, with the pauses."""


class SynchronisedExecutions(ExecutionStore):
    """One tenant's execution states, synchronised with its contexts. See the module."""

    def __init__(
        self, tenant: TenantId, hot: TrackedExecutions, dialogue: DialogueRepositories
    ) -> None:
        super().__init__(tenant, hot._gate)
        self._hot = hot
        self._dialogue = dialogue

    async def sync_to_context(self, conversation_id: str) -> ExecutionContext:
        id = self._id(conversation_id)
        await self._require(id)
        await self.synchronise(id, again=True)
        context = await self._dialogue.contexts.get(id)
        if context is None:
            raise EntityNotFoundError(CONTEXT_SCHEMA.name, id)
        return context

    async def synchronise(self, id: str, *, again: bool = False) -> bool:
        """Bring the context up to what the hot store has, and settle the note; False if nothing
        says whose conversation it is, so that there is no context to write to.

        With `again` a context that was reset since gets the state once more. While others change
        the state all the time, it ends after some of their changes, and the last note stays.

        Raises:
            ConflictError: if others came between 100 times; the note stays.
        """
        lost = settling = 0
        while settling < _ROUNDS:
            seen = await self._hot.seen(id)
            if not (seen.known or seen.buried):
                break
            context = await self._dialogue.contexts.get(id)
            if context is None and seen.state is not None:
                context = await self._context_for(id)
                if context is None:
                    return False
            if context is not None:
                try:
                    brought = await self._brought(context, seen, again)
                except ErasedError:
                    return True  # whatever is left of it here goes with the rest of its user's
                if not brought:
                    lost += 1
                    if lost > _LOST:
                        came = context.revision + 1
                        raise ConflictError(CONTEXT_SCHEMA.name, id, context.revision, came)
                    await back_off(lost)
                    continue
            if seen.note is None or await self._hot.settle(id, seen.note):
                break
            settling += 1
        return True

    async def _brought(self, context: ExecutionContext, seen: Seen, again: bool) -> bool:
        """Whether the context holds what was seen, or something later; if not, look again."""
        kept = context.execution
        if seen.state is None:
            changed = _ended(context, seen)
        else:
            revision = seen.state.revision
            if (
                kept is not None
                and kept.life == seen.life
                and kept.revision < revision < kept.claimed
            ):
                # Either what was restored went on, while somebody else claimed a revision and died;
                # or it was lost since it was seen.
                await self._hot.lift(context.id, seen.life, kept.claimed)
                return False
            mark = ExecutionMark.of(
                seen.state, life=seen.life, fence=seen.fence, fenced_until=seen.fenced_until
            )
            changed = context
            if _later(mark, kept) or (again and _was_reset(mark, kept)):
                changed = context.holding(seen.state, mark)
        return changed is context or await self._replaced(changed) is not None

    async def _replaced(self, context: ExecutionContext) -> ExecutionContext | None:
        """The context as it was written; None if another write came first, or it is gone."""
        try:
            return await self._dialogue.contexts.update(context)
        except (ConflictError, EntityNotFoundError):
            return None

    async def _context_for(self, id: str) -> ExecutionContext | None:
        """A new context of a conversation; None if there is no such."""
        conversation = await self._dialogue.conversations.get_by_id(id)
        if conversation is None:
            return None
        contexts = self._dialogue.contexts
        try:
            made = await contexts.save(ExecutionContext.draft(id, user_id=conversation.user_id))
        except ErasedError:
            return None
        except DuplicateEntityError:
            return await contexts.get(id)
        # Had it been deleted in between, its context would outlive it.
        if await self._dialogue.conversations.get_by_id(id) is None:
            try:
                await contexts.delete(id, made.revision)
            except ConflictError:
                return await contexts.get(id)
            return None
        return made

    async def _recalled(self, id: str) -> bool:
        """Whether it is worth another look at what the hot store hasn't: it may have it by now."""
        seen = await self._hot.seen(id)
        if seen.known:
            return seen.state is not None
        return await self._restored(id, seen) is not None

    async def _restored(self, id: str, seen: Seen) -> ExecutionMark | None:
        """Restore what the context has of a conversation that the hot store knows nothing of; the
        context's mark, if there is one.
        """
        while True:
            context = await self._dialogue.contexts.get(id)
            mark = None if context is None else context.execution
            if context is None or mark is None:
                return None
            state = None
            if not (mark.ended or seen.buried) and seen.now < mark.expires_at:
                claimed = mark.reached + CLAIMED
                state = _state(context, claimed)
                claiming = evolve(context, execution=evolve(mark, claimed=claimed))
                try:
                    replaced = await self._replaced(claiming)
                except ErasedError:
                    return None  # its user's is going: nothing of it comes back
                if replaced is None:
                    # Most often, somebody else is about to restore it, or has.
                    seen = await self._hot.seen(id)
                    if seen.known:
                        return mark
                    continue
            fenced = mark.fenced_until is not None and seen.now < mark.fenced_until
            if state is not None or fenced:
                await self._hot.revive(id, state, mark.life, mark.fence, mark.fenced_until)
            return mark

    # The primitives.

    async def _read(self, id: str, touch: bool, fence: int | None) -> ExecutionState | None:
        found = await self._hot._read(id, touch, fence)
        if found is None and await self._recalled(id):
            found = await self._hot._read(id, touch, fence)
        return found

    async def _replace(
        self, entity: ExecutionState, fence: int | None
    ) -> Replaced[ExecutionState] | None:
        replaced = await self._hot._replace(entity, fence)
        if replaced is None and await self._recalled(entity.id):
            replaced = await self._hot._replace(entity, fence)
        return replaced

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        seen = await self._hot.seen(state.id)
        mark = None if seen.known else await self._restored(state.id, seen)
        return await self._hot.begin(state, fence, 0 if mark is None else mark.life)

    async def _remove(self, id: str, fence: int | None) -> bool:
        gone = await self._hot._remove(id, fence)
        if not gone and await self._recalled(id):
            gone = await self._hot._remove(id, fence)
        try:
            await self.synchronise(id)
        except (ConflictError, StoreUnavailableError, StoreTimeoutError):
            told = "the execution state is gone, but its context couldn't be told yet"
            raise OutcomeUnknownError(told) from None
        return gone


def _later(mark: ExecutionMark, kept: ExecutionMark | None) -> bool:
    if kept is None or mark.life != kept.life:
        return kept is None or mark.life > kept.life
    return mark.revision > kept.reached


def _was_reset(mark: ExecutionMark, kept: ExecutionMark | None) -> bool:
    """Whether the context had this very state, until it was reset."""
    return (
        kept is not None and kept.ended and (kept.life, kept.reached) == (mark.life, mark.revision)
    )


def _state(context: ExecutionContext, revision: int) -> ExecutionState | None:
    try:
        return context.held(revision)
    except ValidationError:
        pass
    raise CorruptRecordError(ExecutionStore.schema.name, context.id)


def _ended(context: ExecutionContext, seen: Seen) -> ExecutionContext:
    """The context of a conversation whose state is known to be gone; itself, if it tells so."""
    kept, note = context.execution, seen.note
    if note is None:  # buried
        ending = None if kept is None else kept.ending()
    elif kept is None:
        ending = ExecutionMark(
            life=note.life,
            revision=note.revision,
            ended=True,
            began_at=seen.now,
            written_at=seen.now,
            expires_at=seen.now,
        )
    elif (note.life, note.revision) > (kept.life, kept.revision):
        # A claim stands: who made it may have died before it was used.
        claimed = kept.claimed if note.life == kept.life else 0
        ending = evolve(kept, life=note.life, revision=note.revision, claimed=claimed, ended=True)
    else:
        ending = kept
    if ending is kept or ending is None:
        return context
    if seen.fence is not None:
        ending = evolve(ending, fence=seen.fence, fenced_until=seen.fenced_until)
    changed: ExecutionContext = evolve(context, execution=ending)
    return changed
