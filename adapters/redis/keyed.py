"""Entities with an expiry in Redis: one string each, a header that scripts read and a JSON text."""

import struct
from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

from adapters.redis.client import Argument, Client
from adapters.redis.scripts import Script
from domain.durations import MILLISECOND
from domain.identity import Entity, TenantId
from domain.rules import restored
from ports.errors import CorruptRecordError
from ports.gate import OPEN, Gate
from ports.keyed import KeyedStore, Replaced

E = TypeVar("E", bound=Entity)
FORM: Final = 1
_HEADER: Final = struct.Struct(">B6QI")
_OTHER_OWNER: Final = -2
_OVERTAKEN: Final = -1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def script(name: str, *preludes: str, writes: bool = True) -> Script:
    """The script of that name, after what it begins with."""
    parts = [Script.named(part).source for part in ("keyed", *preludes, name)]
    return Script("\n".join(parts), writes)


_READ: Final = Script.named("keyed_read", writes=False)
_REPLACE: Final = script("keyed_replace")


def instant_of(milliseconds: int) -> datetime:
    """A time as scripts have it."""
    return _EPOCH + timedelta(0, 0, 0, milliseconds)  # by name, it takes half as long again


def milliseconds_at(time: datetime) -> int:
    """A time as scripts take it."""
    return (time - _EPOCH) // MILLISECOND


def milliseconds_of(duration: timedelta) -> int:
    """A duration as scripts have it."""
    return duration // MILLISECOND


Header: TypeAlias = tuple[int, ...]
"""Form, revision, ms of creation, last update and (if the key can't tell) last use, ms of idle and
absolute expiry, length of the owner."""


def life_of(record: bytes) -> int:
    """The life of an execution state that `_entity` could read: see execution_note.lua."""
    header = _HEADER.unpack_from(record)
    owner = record[_HEADER.size : _HEADER.size + header[-1]]
    return int(owner or header[2])


class RedisKeyed(KeyedStore[E]):
    """The primitives of `KeyedStore`, by scripts of one slot."""

    def __init__(self, tenant: TenantId, client: Client, gate: Gate = OPEN) -> None:
        super().__init__(tenant, gate)
        self._client = client

    async def _read(self, id: str, touch: bool, fence: int | None) -> E | None:
        keys, token = (self._keys(id)[:1], "") if fence is None else (self._keys(id), fence)
        reply = await self._client.run(_READ, keys, [int(touch), token])
        if reply is None:
            return None
        if reply[0] == _OVERTAKEN:
            raise self._refused()
        return self._entity(id, reply[1], reply[2])

    async def _replace(self, entity: E, fence: int | None) -> Replaced[E] | None:
        arguments: list[Argument] = [
            entity.revision,
            self._owner(entity),
            milliseconds_of(self._idle(entity)),
            self._content(entity),
            "" if fence is None else fence,
            self._fenced_for,
        ]
        reply = await self._client.run(_REPLACE, self._keys(entity.id), arguments)
        if reply is None:
            return None
        code, record, used = reply if len(reply) == 3 else (reply[0], b"", 0)
        if code == _OVERTAKEN:
            raise self._refused()
        if code == _OTHER_OWNER:
            raise self._refused_owner()
        if not code:
            return Replaced(False, self._entity(entity.id, record, used))
        return Replaced(True, self._stamped(entity, record, used))

    def _entity(self, id: str, record: bytes, used: int) -> E:
        """The entity that a record holds.

        Raises:
            CorruptRecordError: if it can't be read as one.
        """
        try:
            header = _HEADER.unpack_from(record)
            if header[0] != FORM:
                raise ValueError("a record of another form")
            start = _HEADER.size + header[-1]
            fields = self._times(header, used)
            self._fill(fields, record[_HEADER.size : start].decode(), record[start:])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error):
            # Its own message would quote what is stored.
            raise CorruptRecordError(self.schema.name, id) from None
        fields["id"], fields["tenant_id"] = id, self._tenant
        made: E = restored(self.schema.entity, fields)
        return made

    def _stamped(self, entity: E, header: bytes, used: int) -> E:
        """What was just stored, as it is by its header."""
        times = self._times(_HEADER.unpack_from(header), used)
        made: E = restored(self.schema.entity, {**vars(entity), **times})
        return made

    # What an aggregate adds.

    @abstractmethod
    def _keys(self, id: str) -> Sequence[str]:
        """The keys of a record, and of its fencing token if it can have one."""

    @abstractmethod
    def _idle(self, entity: E) -> timedelta: ...

    @abstractmethod
    def _content(self, entity: E) -> bytes: ...

    @abstractmethod
    def _times(self, header: Header, used: int) -> dict[str, Any]:
        """The fields that a header holds, and the time of the last use as the key has it."""

    @abstractmethod
    def _fill(self, fields: dict[str, Any], owner: str, content: bytes) -> None:
        """Add the fields that owner and content hold; whatever is wrong there may be raised."""

    _fenced_for: int = 0
    """For how many ms a fencing token is kept after its record."""

    def _owner(self, entity: E) -> str:
        """What of an entity never changes."""
        return ""

    def _refused(self) -> Exception:
        """What is raised for a fencing token that is too small."""
        return AssertionError("it has no fencing tokens")

    def _refused_owner(self) -> Exception:
        """What is raised for another owner."""
        return AssertionError("it has no owner")
