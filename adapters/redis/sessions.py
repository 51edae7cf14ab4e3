"""Sessions in Redis: each under its id, and a list of ids for each user, all in the user's slot."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import orjson

from adapters.redis.keyed import Header, RedisKeyed, instant_of, milliseconds_of, script
from adapters.redis.keys import key
from adapters.redis.scripts import Script
from domain.conversations import Channel
from domain.documents import EMPTY, freeze
from domain.errors import Fault, ValidationError
from domain.identity import UserId
from domain.sessions import Session, bucket_in, bucket_of
from ports.errors import CorruptRecordError, StoreTimeoutError
from ports.reading import back_off
from ports.sessions import ROUNDS, SessionStore

_CREATE: Final = script("session_create", "session")
_EXTEND: Final = script("session_extend", "session")
_ROTATE: Final = script("session_rotate", "session")
_REMOVE: Final = script("session_remove", "session")
_LIST: Final = script("session_list", "session")
_CHANNELS: Final = {channel.value: channel for channel in Channel}
_DOCUMENTS: Final = ("context", "preferences", "features")


class RedisSessionStore(RedisKeyed[Session], SessionStore):
    """Sessions. What of one never changes is its user."""

    async def _create(self, session: Session, lifetime: timedelta) -> Session:
        header, used = await self._client.run(
            _CREATE,
            [self._key(session.id), self._list(session.user_id)],
            [
                session.id,
                session.user_id,
                milliseconds_of(session.idle_timeout),
                milliseconds_of(lifetime),
                self._content(session),
            ],
        )
        return self._stamped(session, header, used)

    async def _extend(
        self, id: str, idle: timedelta | None, lifetime: timedelta | None
    ) -> Session | None:
        found = await self._read(id, False, None)
        if found is None:
            return None
        spans = ["" if span is None else milliseconds_of(span) for span in (idle, lifetime)]
        keys = [self._key(id), self._list(found.user_id)]
        return await self._moved(_EXTEND, id, keys, [id, *spans])

    async def _rotate(self, id: str, fresh: str, user_id: UserId) -> Session | None:
        keys = [self._key(id), self._key(fresh), self._list(user_id)]
        return await self._moved(_ROTATE, fresh, keys, [id, fresh])

    async def _moved(
        self, moving: Script, id: str, keys: Sequence[str], arguments: Sequence[str | int]
    ) -> Session | None:
        reply = await self._client.run(moving, keys, arguments)
        return None if reply is None else self._entity(id, reply[0] + reply[1], reply[2])

    async def _remove(self, id: str) -> bool:
        try:
            found = await self._read(id, False, None)
        except CorruptRecordError:
            # Whose it was can't be told. Their list forgets it when it is next looked through.
            name = self._key(id)
            return bool(await self._client.execute("DEL", name, key=name, writes=True))
        if found is None:
            return False
        keys = [self._list(found.user_id), self._key(id)]
        gone, _ = await self._client.run(_REMOVE, keys, ["", id])
        return bool(gone)

    async def _listed(self, user_id: UserId) -> Sequence[Session]:
        for lost in range(ROUNDS):
            if lost:
                await back_off(lost)  # who goes in step with it would come between each time
            ids = await self._ids(user_id)
            if not ids:
                return ()
            *found, others = await self._client.run(_LIST, self._all_keys(user_id, ids), ids)
            # One that is gone may have been rotated meanwhile: then it was there all the time.
            if others <= 0:
                return [
                    self._entity(id, found[place], found[place + 1])
                    for place, id in zip(range(0, len(found), 2), ids, strict=True)
                    if found[place] is not None
                ]
        raise StoreTimeoutError("sessions of the user were rotated each time they were listed")

    async def _remove_all(self, user_id: UserId, keep: str | None) -> tuple[int, bool]:
        ids = [id for id in await self._ids(user_id) if id != keep]
        if not ids:
            return 0, False
        keys = self._all_keys(user_id, ids)
        gone, others = await self._client.run(_REMOVE, keys, [keep or "", *ids])
        return gone, others > 0

    async def _ids(self, user_id: UserId) -> list[str]:
        listing = self._list(user_id)
        found = await self._client.execute("ZRANGE", listing, 0, -1, key=listing, writes=False)
        return [id.decode() for id in found]

    def _key(self, id: str) -> str:
        return key(self._tenant, bucket_in(id), "session", id)

    def _all_keys(self, user_id: UserId, ids: Sequence[str]) -> list[str]:
        """The user's list, and the sessions of these ids, in which nothing needs to be encoded."""
        begins = key(self._tenant, bucket_of(user_id), "session", "")
        return [self._list(user_id), *(begins + id for id in ids)]

    def _list(self, user_id: UserId) -> str:
        return key(self._tenant, bucket_of(user_id), "sessions", user_id)

    def _keys(self, id: str) -> Sequence[str]:
        return [self._key(id)]

    def _owner(self, entity: Session) -> str:
        return entity.user_id

    def _idle(self, entity: Session) -> timedelta:
        return entity.idle_timeout

    def _content(self, entity: Session) -> bytes:
        fields = vars(entity)
        document = {name: fields[name] for name in _DOCUMENTS if fields[name]}
        document["channel"] = entity.channel._value_
        if entity.conversation_id is not None:
            document["conversation_id"] = entity.conversation_id
        return orjson.dumps(document)

    def _times(self, header: Header, used: int) -> dict[str, Any]:
        _, revision, created, updated, _, idle, absolute, _ = header
        return {
            "created_at": instant_of(created),
            "updated_at": instant_of(updated),
            "last_activity_at": instant_of(used),
            "idle_timeout": timedelta(0, 0, 0, idle),
            "expires_at": instant_of(absolute),
            "revision": revision,
        }

    def _fill(self, fields: dict[str, Any], owner: str, content: bytes) -> None:
        document = orjson.loads(content)
        fields["user_id"] = owner
        fields["conversation_id"] = document.get("conversation_id")
        fields["channel"] = _CHANNELS[document["channel"]]
        for name in _DOCUMENTS:
            fields[name] = freeze(document[name]) if name in document else EMPTY

    def _refused_owner(self) -> Exception:
        return ValidationError(self.schema.name, [Fault("user_id", "never changes")])
