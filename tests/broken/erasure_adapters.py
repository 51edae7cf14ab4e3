"""Stores in memory whose erasure of a user forgets one place, or takes too much."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar

from adapters.memory import (
    MemoryAnalyticsStore,
    MemoryAuthoringStore,
    MemoryDialogueStore,
    MemoryRuntimeStore,
)
from adapters.memory.analytics import MemoryAnalyticsMaintenance
from adapters.memory.cache import CachePart
from adapters.memory.erasing import CONTEXTS, CONVERSATIONS
from adapters.memory.executions import ErasedConversations, Executions
from adapters.memory.experiments import ASSIGNMENTS, KEYS, OUTCOMES
from adapters.memory.integrations import CALLS
from adapters.memory.maintenance import MemoryAuthoringMaintenance, MemoryDialogueMaintenance
from adapters.memory.messages import MESSAGES, REPLAYS
from adapters.memory.rate_limits import Counts
from adapters.memory.runtime import MemoryRuntimeMaintenance
from adapters.memory.sessions import Sessions, UsersSessions
from domain.identity import TenantId, UserId
from ports.erasing import BeforeTheyGo


def _of(kind: type[Any], sound: Any) -> Any:
    """What the sound one is, but for what the other does differently."""
    made = copy(sound)
    made.__class__ = kind
    return made


# Conversations.


class SoundDialogues(MemoryDialogueStore):
    """Nothing is forgotten."""

    kind: ClassVar[type[MemoryDialogueMaintenance]] = MemoryDialogueMaintenance

    def maintenance(self) -> Any:
        return _of(self.kind, super().maintenance())


class _Forgets(MemoryDialogueMaintenance):
    table: ClassVar[str]

    async def _erase_dialogues(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        table = self._tenants[tenant].tables[self.table]
        kept = list(table.rows.values())
        gone = await super()._erase_dialogues(tenant, user, ids, noting)
        for row in kept:
            table.put(row)
        return gone


def _forgetting(name: str) -> type[MemoryDialogueMaintenance]:
    return type("Forgets", (_Forgets,), {"table": name})


class KeepsMessages(SoundDialogues):
    """They stay behind."""

    kind = _forgetting(MESSAGES)


class KeepsContextsOfConversations(SoundDialogues):
    """They are somebody's without a conversation."""

    kind = _forgetting(CONTEXTS)


class KeepsKeysOfAppends(SoundDialogues):
    """Of conversations that there are no more."""

    kind = _forgetting(REPLAYS)


class _NoContexts(MemoryDialogueMaintenance):
    async def _contexts_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        return ()


class KeepsContextsAlone(SoundDialogues):
    """Those that have no conversation."""

    kind = _NoContexts


class _Prefix(MemoryDialogueMaintenance):
    async def _conversations_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        rows = self._tenants.get(tenant)
        if rows is None:
            return ()
        alike = [
            row
            for row in rows.tables[CONVERSATIONS].rows.values()
            if row.user_id.casefold().startswith(user)
        ]
        for row in alike:
            vars(row)["user_id"] = user
        return [row.id for row in alike][:limit]


class ErasesWhoeverIsCalledAlike(SoundDialogues):
    """Whose id begins so."""

    kind = _Prefix


class _OneBatch(MemoryDialogueMaintenance):
    _done = False

    async def _conversations_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        done, self._done = self._done, True
        return () if done else await super()._conversations_of(tenant, user, limit)


class ErasesOneBatch(SoundDialogues):
    """And no more of them."""

    kind = _OneBatch


class _HandsOverLate(MemoryDialogueMaintenance):
    async def erase_user(
        self, tenant: TenantId, user: UserId, *, before: BeforeTheyGo | None = None
    ) -> Mapping[str, int]:
        ids = [*await self._conversations_of(tenant, user, 9_999)]
        ids += [id for id in await self._contexts_of(tenant, user, 9_999) if id not in ids]
        gone = await super().erase_user(tenant, user)
        if before is not None and ids:
            await before(ids)
        return gone


class HandsOverLate(SoundDialogues):
    """When they are gone."""

    kind = _HandsOverLate


class _NotesNothing(MemoryDialogueMaintenance):
    async def _noted(self, *_: Any) -> Mapping[str, int]:
        return {what: count for what, count in _[2].items() if count}


class NotesNothing(SoundDialogues):
    """The receipt stays empty."""

    kind = _NotesNothing


# What lives for a while.


class SoundLives(MemoryRuntimeStore):
    """Nothing is forgotten."""

    kind: ClassVar[type[MemoryRuntimeMaintenance]] = MemoryRuntimeMaintenance

    def maintenance(self) -> Any:
        return _of(self.kind, super().maintenance())


class _Spares(MemoryRuntimeMaintenance):
    parts: ClassVar[tuple[type[Any], ...]]

    async def _erase_user(self, tenant: TenantId, *rest: Any) -> Mapping[str, int]:
        return await self._sparing(tenant, super()._erase_user(tenant, *rest))

    async def _erase_conversations(self, tenant: TenantId, *rest: Any) -> Mapping[str, int]:
        return await self._sparing(tenant, super()._erase_conversations(tenant, *rest))

    async def _sparing(self, tenant: TenantId, erasing: Any) -> Mapping[str, int]:
        held = self._tenants[tenant].parts if tenant in self._tenants else {}
        spared = {kind: held.pop(kind) for kind in self.parts if kind in held}
        gone: Mapping[str, int] = await erasing
        for kind in self.parts:
            held.pop(kind, None)
        held.update(spared)
        return gone


def _sparing(*parts: type[Any]) -> type[MemoryRuntimeMaintenance]:
    return type("Spares", (_Spares,), {"parts": parts})


class KeepsSessions(SoundLives):
    """Nobody is logged out."""

    kind = _sparing(Sessions, UsersSessions)


class KeepsStates(SoundLives):
    """Execution states stay."""

    kind = _sparing(Executions)


class KeepsLimits(SoundLives):
    """What was counted under the user's key counts on."""

    kind = _sparing(Counts)


class _ResetsNamesakes(MemoryRuntimeMaintenance):
    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        if tenant in self._tenants:
            self._tenants[tenant].part(Counts).forget_key(user, 0)
        return await super()._erase_user(tenant, user, noting)


class ResetsNamesakes(SoundLives):
    """A tenant's limit goes with a user who is called as it is."""

    kind = _ResetsNamesakes


class KeepsTaggedValues(SoundLives):
    """What is cached under the user's tag stays."""

    kind = _sparing(CachePart)


class LetsStatesBeginAgain(SoundLives):
    """Nothing says that they were erased."""

    kind = _sparing(ErasedConversations)


class _LogsOutOnce(MemoryRuntimeMaintenance):
    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        gone = await super()._erase_user(tenant, user, noting)
        await self.tombstones.lift(tenant, user)
        return gone


class LiftsTheTombstone(SoundLives):
    """As soon as it is through."""

    kind = _LogsOutOnce


# Events.


class SoundEvents(MemoryAnalyticsStore):
    """Nothing is forgotten."""

    kind: ClassVar[type[MemoryAnalyticsMaintenance]] = MemoryAnalyticsMaintenance

    def maintenance(self) -> Any:
        return _of(self.kind, super().maintenance())


class _KeepsEvents(MemoryAnalyticsMaintenance):
    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        held = self._tenants.get(tenant)
        count = sum(each.user_id == user for each in held.by_id.values()) if held else 0
        return await self._noted(tenant, user, {"events": count}, noting)


class KeepsEvents(SoundEvents):
    """They are only counted."""

    kind = _KeepsEvents


# Authoring.


class SoundAuthoring(MemoryAuthoringStore):
    """Nothing is forgotten."""

    kind: ClassVar[type[MemoryAuthoringMaintenance]] = MemoryAuthoringMaintenance

    def maintenance(self) -> Any:
        return _of(self.kind, super().maintenance())


def _without(table: str) -> type[MemoryAuthoringMaintenance]:
    units = {name: what for name, what in MemoryAuthoringMaintenance.units.items() if name != table}
    return type("Without", (MemoryAuthoringMaintenance,), {"units": units})


class KeepsAssignments(SoundAuthoring):
    """Who was assigned what stays."""

    kind = _without(ASSIGNMENTS)


class KeepsOutcomes(SoundAuthoring):
    """What was recorded of nobody's counts on."""

    kind = _without(OUTCOMES)


class KeepsKeysOfOutcomes(SoundAuthoring):
    """An outcome under a key that came before is taken for the same."""

    kind = _without(KEYS)


class _DeletesCalls(MemoryAuthoringMaintenance):
    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        gone = await super()._erase_conversations(tenant, user, ids, noting)
        if gone:
            table = self._tenants[tenant].tables[CALLS]
            for row in [row for row in table.rows.values() if row.conversation_id is None]:
                table.remove(row.id)
        return gone


class DeletesCalls(SoundAuthoring):
    """And leaves gaps in the log."""

    kind = _DeletesCalls


class _SparesCalls(MemoryAuthoringMaintenance):
    async def _erase_conversations(self, *_: Any) -> Mapping[str, int]:
        return {}


class KeepsWhatCallsSay(SoundAuthoring):
    """Of conversations that there are no more."""

    kind = _SparesCalls
