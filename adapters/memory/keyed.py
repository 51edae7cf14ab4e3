"""Entities with an expiry in memory."""

from abc import abstractmethod
from collections import deque
from collections.abc import Hashable
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from adapters.memory.runtime_data import Part, TenantData
from domain.identity import Entity, TenantId
from domain.rules import instant, restored
from ports.gate import OPEN, Gate
from ports.keyed import KeyedStore, Replaced
from ports.time import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
E = TypeVar("E", bound=Entity)


@attrs.define(eq=False)
class _Kept(Generic[K, V]):
    key: K
    value: V
    until: datetime


class Expiring(Part, Generic[K, V]):
    """Values by key, each until a time.

    Whatever is put, two others are looked at in turn, and forgotten if they have expired: so
    nothing that has is kept for ever, and nothing takes longer the more there is.
    """

    def __init__(self) -> None:
        self._kept: dict[K, _Kept[K, V]] = {}
        self._turn: deque[_Kept[K, V]] = deque()

    def __len__(self) -> int:
        """How many are held, expired ones that weren't come upon yet included."""
        return len(self._kept)

    def get(self, key: K, now: datetime) -> V | None:
        """The value, if it hasn't expired."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and now < kept.until else None

    def until(self, key: K) -> datetime:
        """Until when a value that is there is kept."""
        return self._kept[key].until

    def keys(self, now: datetime) -> list[K]:
        """Those whose values haven't expired, in the order in which they first came."""
        return [kept.key for kept in self._kept.values() if now < kept.until]

    def put(self, key: K, value: V, until: datetime, now: datetime) -> None:
        """Keep a value, in place of the one before."""
        kept = self._kept.get(key)
        if kept is None:
            self._kept[key] = made = _Kept(key, value, until)
            self._turn.append(made)
            self._look(now)
        else:
            kept.value, kept.until = value, until

    def remove(self, key: K, now: datetime) -> bool:
        """Forget a value; whether there was one that hadn't expired."""
        kept = self._kept.pop(key, None)
        return kept is not None and now < kept.until

    def live(self, now: datetime) -> int:
        for kept in [kept for kept in self._kept.values() if kept.until <= now]:
            del self._kept[kept.key]
        self._turn = deque(self._kept.values())
        return len(self._kept)

    def clear(self) -> None:
        self._kept.clear()
        self._turn.clear()

    def _look(self, now: datetime) -> None:
        for _ in range(2):
            kept = self._turn.popleft()
            if self._kept.get(kept.key) is kept:
                if now < kept.until:
                    self._turn.append(kept)
                else:
                    del self._kept[kept.key]
            if not self._turn:
                return


class Entities(Expiring[str, Any]):
    """Entities by id."""

    counted = True


class MemoryKeyed(KeyedStore[E]):
    """The primitives of `KeyedStore`: each is done before anyone else's turn."""

    entities: ClassVar[type[Entities]]

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock, gate: Gate = OPEN) -> None:
        super().__init__(tenant, gate)
        self._data = data
        self._clock = clock

    @property
    def _entities(self) -> Entities:
        return self._data.part(self.entities)

    def _now(self) -> datetime:
        return instant(self._clock.now())

    async def _read(self, id: str, touch: bool, fence: int | None) -> E | None:
        now = self._now()
        self._check_fence(id, fence, now)
        found: E | None = self._entities.get(id, now)
        if found is None or not touch:
            return found
        return self._put(self._used(vars(found).copy(), now), now)

    async def _replace(self, entity: E, fence: int | None) -> Replaced[E] | None:
        now = self._now()
        self._check_fence(entity.id, fence, now)
        stored: E | None = self._entities.get(entity.id, now)
        if stored is None:
            return None
        if stored.revision != entity.revision:
            return Replaced(False, stored)
        self._refuse(entity, stored)
        kept = {name: getattr(stored, name) for name in self.schema.maintained}
        made = self._written({**vars(entity), **kept, "created_at": stored.created_at}, now)
        self._keep_fence(made, fence, now)
        return Replaced(True, made)

    def _written(self, fields: dict[str, Any], now: datetime) -> E:
        fields["revision"] += 1
        fields["updated_at"] = now
        return self._put(self._used(fields, now), now)

    def _put(self, fields: dict[str, Any], now: datetime) -> E:
        made: E = restored(self.schema.entity, fields)
        self._entities.put(made.id, made, self._due(made), now)
        return made

    # What an aggregate adds.

    @abstractmethod
    def _due(self, entity: E) -> datetime:
        """When it expires."""

    def _used(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        """The fields of an entity that was used just now."""
        return fields

    def _refuse(self, entity: E, stored: E) -> None:
        """Refuse an entity that can't take the stored one's place."""

    def _check_fence(self, id: str, fence: int | None, now: datetime) -> None:
        """Refuse a token that is too small."""

    def _keep_fence(self, entity: E, fence: int | None, now: datetime) -> None:
        """Remember a token, for long enough after the entity."""
