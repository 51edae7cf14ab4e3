"""Sessions in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from adapters.memory.keyed import Entities, Expiring, MemoryKeyed
from domain.identity import NO_TIME, UserId
from domain.sessions import Session
from ports.keyed import refuse_changed
from ports.sessions import SessionStore


class Sessions(Entities):
    """Sessions by id."""


class Listed(Expiring[str, None]):
    """The ids of a user's sessions, each until it expires at the latest; it may end before."""

    latest: datetime = NO_TIME
    """No id is kept for longer."""


class UsersSessions(Expiring[UserId, Listed]):
    """What is listed of each user, until all of it has expired."""

    def live(self, now: datetime) -> int:
        for user in self.keys(now):
            listed = self.get(user, now)
            if listed is not None and not listed.live(now):
                self.remove(user, now)
        return super().live(now)


class MemorySessionStore(MemoryKeyed[Session], SessionStore):
    """Sessions, and a list of them for each user."""

    entities: ClassVar[type[Entities]] = Sessions

    @property
    def _lists(self) -> UsersSessions:
        return self._data.part(UsersSessions)

    def _due(self, entity: Session) -> datetime:
        return entity.idle_expires_at

    def _used(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        fields["last_activity_at"] = now
        return fields

    def _refuse(self, entity: Session, stored: Session) -> None:
        refuse_changed(self.schema.name, {"user_id": (entity.user_id, stored.user_id)})

    async def _create(self, session: Session, lifetime: timedelta) -> Session:
        now = self._now()
        times = {"created_at": now, "updated_at": now, "expires_at": now + lifetime}
        made = self._put(self._used({**vars(session), **times}, now), now)
        self._list(made, now)
        return made

    def put_back(self, session: Session) -> None:
        """Keep a session as it was, and list it with its user's."""
        now = self._now()
        self._entities.put(session.id, session, self._due(session), now)
        self._list(session, now)

    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None:
        now = self._now()
        stored = self._entities.get(id, now)
        if stored is None:
            return None
        fields = vars(stored).copy()
        if idle is not None:
            fields["idle_timeout"] = idle
        if lifetime is not None:
            fields["expires_at"] = now + lifetime
        made = self._written(fields, now)
        self._list(made, now)
        return made

    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None:
        now = self._now()
        stored = self._entities.get(id, now)
        if stored is None:
            return None
        made = self._written({**vars(stored), "id": fresh}, now)
        self._entities.remove(id, now)
        self._unlist(user_id, now, [id])
        self._list(made, now)
        return made

    async def _remove(self, id: str) -> bool:
        now = self._now()
        stored = self._entities.get(id, now)
        if stored is None:
            return False
        self._unlist(stored.user_id, now, [id])
        return self._entities.remove(id, now)

    async def _listed(self, user_id: UserId) -> Sequence[Session]:
        now = self._now()
        found = {id: self._entities.get(id, now) for id in self._ids(user_id, now)}
        gone = [id for id, session in found.items() if session is None]
        self._unlist(user_id, now, gone)
        return [session for session in found.values() if session is not None]

    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        now = self._now()
        ids = [id for id in self._ids(user_id, now) if id != keep]
        self._unlist(user_id, now, ids)
        return sum(self._entities.remove(id, now) for id in ids), False

    def _ids(self, user: UserId, now: datetime) -> list[str]:
        listed = self._lists.get(user, now)
        return [] if listed is None else listed.keys(now)

    def _list(self, session: Session, now: datetime) -> None:
        user, at = session.user_id, session.expires_at
        listed = self._lists.get(user, now)
        if listed is None:
            listed = Listed()
        listed.put(session.id, None, at, now)
        listed.latest = max(listed.latest, at)
        self._lists.put(user, listed, listed.latest, now)

    def _unlist(self, user: UserId, now: datetime, ids: Sequence[str]) -> None:
        listed = self._lists.get(user, now)
        if listed is not None:
            for id in ids:
                listed.remove(id, now)
            if not listed:
                self._lists.remove(user, now)
