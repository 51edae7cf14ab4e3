"""The memory adapters of sessions and execution states, broken in one way at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from adapters.memory.executions import MemoryExecutionStore
from adapters.memory.sessions import MemorySessionStore
from domain.executions import ExecutionState
from domain.identity import UserId
from domain.rules import restored
from domain.sessions import Session
from ports.executions import overtaken
from ports.keyed import Replaced


class SoundSessions(MemorySessionStore):
    """The port as it should be; what is broken overrides a part of it."""

    def _expired(self, id: str) -> Session | None:
        """A session that was stored, whether it ended or not."""
        kept = self._entities._kept.get(id)
        return None if kept is None else kept.value

    def _revived(self, id: str) -> None:
        found, now = self._expired(id), self._now()
        if found is not None:
            self._entities.put(id, found, now + timedelta(minutes=1), now)


class SoundExecutions(MemoryExecutionStore):
    """The same for execution states."""


# Expiry.


class UpdatesRevive(SoundSessions):
    """Writes to a session that ended as if it hadn't."""

    async def _replace(self, entity: Session, fence: int | None) -> Replaced[Session] | None:
        self._revived(entity.id)
        return await super()._replace(entity, fence)


class ExtensionsRevive(SoundSessions):
    """Extends a session that ended."""

    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None:
        self._revived(id)
        return await super()._extend(id, idle, lifetime)


class ExtendsOnPaper(SoundSessions):
    """Writes the new expiry into the session, and lets it end when it would have."""

    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None:
        kept = self._entities._kept.get(id)
        until = None if kept is None else kept.until
        extended = await super()._extend(id, idle, lifetime)
        if kept is not None and until is not None:
            kept.until = until
        return extended


class ReadsDoNotKeep(SoundSessions):
    """Forgets to move the idle expiry when a session is read."""

    async def _read(self, id: str, touch: bool, fence: int | None) -> Session | None:
        return await super()._read(id, False, fence)


class EveryReadKeeps(SoundSessions):
    """Moves the idle expiry whatever it is told."""

    async def _read(self, id: str, touch: bool, fence: int | None) -> Session | None:
        return await super()._read(id, True, fence)


class ReadsWrite(SoundSessions):
    """Raises the revision when a session is read."""

    async def _read(self, id: str, touch: bool, fence: int | None) -> Session | None:
        found = await super()._read(id, touch, fence)
        if found is None or not touch:
            return found
        return self._written(vars(found).copy(), self._now())


class LivesWhileUsed(SoundSessions):
    """Forgets the absolute expiry of a session that is used."""

    def _due(self, entity: Session) -> datetime:
        return entity.last_activity_at + entity.idle_timeout


class RotationsBeginAnew(SoundSessions):
    """Gives a rotated session a new lifetime."""

    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None:
        rotated = await super()._rotate(id, fresh, user_id)
        if rotated is None:
            return None
        return await super()._extend(fresh, None, rotated.expires_at - rotated.created_at)


# Writing.


class LastWriteWins(SoundSessions):
    """Takes any revision for the one that is stored."""

    async def _replace(self, entity: Session, fence: int | None) -> Replaced[Session] | None:
        stored = self._entities.get(entity.id, self._now())
        if stored is None:
            return None
        current = restored(Session, {**vars(entity), "revision": stored.revision})
        return await super()._replace(current, fence)


class ComparesThenSets(SoundSessions):
    """Lets others in between the look at the revision and the write."""

    async def _replace(self, entity: Session, fence: int | None) -> Replaced[Session] | None:
        stored = self._entities.get(entity.id, self._now())
        if stored is None or stored.revision != entity.revision:
            return await super()._replace(entity, fence)
        await asyncio.sleep(0)
        return Replaced(True, self._written(vars(entity).copy(), self._now()))


class MergesByReplacing(SoundSessions):
    """Sets the whole object to what should be merged into it."""

    async def merge(
        self,
        token: str,
        *,
        context: Mapping[str, object] | None = None,
        preferences: Mapping[str, object] | None = None,
        features: Mapping[str, object] | None = None,
        expected_revision: int | None = None,
    ) -> Session:
        given = {"context": context, "preferences": preferences, "features": features}
        changes = {name: value for name, value in given.items() if value is not None}
        return await self.patch(token, expected_revision, **changes)


class UsersChange(SoundSessions):
    """Lets a session be handed to another user."""

    def _refuse(self, entity: Session, stored: Session) -> None:
        return


class CallersMoveTheExpiry(SoundSessions):
    """Stores whatever absolute expiry it is handed."""

    async def _replace(self, entity: Session, fence: int | None) -> Replaced[Session] | None:
        replaced = await super()._replace(entity, fence)
        if replaced is None or not replaced.done:
            return replaced
        fields = {**vars(replaced.entity), "expires_at": entity.expires_at}
        return Replaced(True, self._put(fields, self._now()))


class RotatesByCopying(SoundSessions):
    """Leaves the old token alive."""

    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None:
        before = self._expired(id)
        rotated = await super()._rotate(id, fresh, user_id)
        if before is not None and rotated is not None:
            self._put(vars(before).copy(), self._now())
        return rotated


class RotatesInTwoSteps(SoundSessions):
    """Writes the new session, and removes the old one later."""

    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None:
        stored = self._entities.get(id, self._now())
        if stored is None:
            return None
        made = self._written({**vars(stored), "id": fresh}, self._now())
        self._list(made, self._now())
        await asyncio.sleep(0)
        await self._remove(id)
        return made


class OpensToEveryTenant(SoundSessions):
    """Looks for a token wherever it may be."""

    everywhere: ClassVar[dict[str, Session]] = {}

    async def _create(self, session: Session, lifetime: timedelta) -> Session:
        made = await super()._create(session, lifetime)
        return self.everywhere.setdefault(made.id, made)

    async def _read(self, id: str, touch: bool, fence: int | None) -> Session | None:
        return await super()._read(id, touch, fence) or self.everywhere.get(id)


class OpensById(SoundSessions):
    """Takes a session's id for its token."""

    def _id(self, token: object) -> str:
        if isinstance(token, str) and self._expired(token) is not None:
            return token
        return super()._id(token)


# Lists.


class ListsOutlived(SoundSessions):
    """Keeps a list for as long as the session that was created last."""

    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None:
        stored = self._expired(id)
        kept = None if stored is None else self._lists._kept.get(stored.user_id)
        until = None if kept is None else kept.until
        extended = await super()._extend(id, idle, lifetime)
        if kept is not None and until is not None:
            kept.until = until
        return extended


class ListsLastUntilTheLatest(SoundSessions):
    """Keeps a list for as long as the session that was written last, longer or shorter."""

    def _list(self, session: Session, now: datetime) -> None:
        super()._list(session, now)
        listed = self._lists.get(session.user_id, now)
        if listed is not None:
            self._lists.put(session.user_id, listed, session.expires_at, now)


class ListsWhatEnded(SoundSessions):
    """Shows what is listed, whether it is there or not."""

    async def _listed(self, user_id: UserId) -> Sequence[Session]:
        ids = self._ids(user_id, self._now())
        return [found for id in ids if (found := self._expired(id)) is not None]


class ListsInNoOrder(SoundSessions):
    """Shows sessions as they come."""

    async def for_user(self, user_id: str) -> tuple[Session, ...]:
        return tuple(await self._listed(UserId(user_id)))


class ForgetsTheList(SoundSessions):
    """Logs out whom it saw, and throws away the list, whatever came meanwhile."""

    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        ids = [id for id in self._ids(user_id, self._now()) if id != keep]
        await asyncio.sleep(0)
        gone = sum(self._entities.remove(id, self._now()) for id in ids)
        if keep is None:
            self._lists.remove(user_id, self._now())
        return gone, False


class LogsOutWhatItSaw(SoundSessions):
    """Doesn't look whether a session was rotated meanwhile."""

    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        ids = [id for id in self._ids(user_id, self._now()) if id != keep]
        for _ in range(3):
            await asyncio.sleep(0)
        self._unlist(user_id, self._now(), ids)
        return sum(self._entities.remove(id, self._now()) for id in ids), False


# Execution states.


class ReadsKeepStates(SoundExecutions):
    """Moves the expiry when a state is read."""

    async def _read(self, id: str, touch: bool, fence: int | None) -> ExecutionState | None:
        found = await super()._read(id, touch, fence)
        if found is not None:
            self._entities.put(id, found, self._now() + found.ttl, self._now())
        return found


class DraftsOverwrite(SoundExecutions):
    """Stores a draft over what is there."""

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        self._entities.remove(state.id, self._now())
        return await super()._insert(state, fence)


class Unfenced(SoundExecutions):
    """Takes no notice of tokens."""

    def _check_fence(self, id: str, fence: int | None, now: datetime) -> None:
        return


class UnfencedDeletion(SoundExecutions):
    """Deletes whoever asks."""

    async def _remove(self, id: str, fence: int | None) -> bool:
        return await super()._remove(id, None)


class FencesGoWithTheState(SoundExecutions):
    """Forgets the token when it deletes the state."""

    async def _remove(self, id: str, fence: int | None) -> bool:
        gone = await super()._remove(id, fence)
        self._fences.remove(id, self._now())
        return gone


class FencesExpireWithTheState(SoundExecutions):
    """Keeps the token for as long as the state."""

    def _remember(self, id: str, fence: int | None, gone: datetime, now: datetime) -> None:
        super()._remember(id, fence, gone, now)
        kept = self._fences._kept.get(id)
        if kept is not None:
            kept.until = gone


class FencesAreForgotten(SoundExecutions):
    """Keeps the token from when it was handed, and not from when the state was written."""

    def _remember(self, id: str, fence: int | None, gone: datetime, now: datetime) -> None:
        if fence is not None:
            super()._remember(id, fence, gone, now)


class RefusalsLeaveTokens(SoundExecutions):
    """Keeps the token of whoever asks."""

    def _check_fence(self, id: str, fence: int | None, now: datetime) -> None:
        super()._check_fence(id, fence, now)
        if fence is not None:
            self._remember(id, fence, now, now)


class FencesCompareText(SoundExecutions):
    """Takes 10 for less than 9."""

    def _check_fence(self, id: str, fence: int | None, now: datetime) -> None:
        greatest = self._fences.get(id, now)
        if fence is not None and greatest is not None and str(fence) < str(greatest):
            raise overtaken()
