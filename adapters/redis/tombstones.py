"""Tombstones in Redis: a hash each, all of a tenant's in one slot, that expires at its end.

    dialogbase:1:{<tenant>/tombstones}:tombstone            the tenant's own
    dialogbase:1:{<tenant>/tombstones}:tombstone:<hash>     a user's

Processes hear of them by a stream that all tenants share, of names and the beginnings of hashes. It
is written after the tombstone: whoever is killed in between had no acknowledgement, and buries
again.

A server that forgets (it evicts, or a failover loses its last moments) forgets tombstones as well:
processes that know of one go on refusing only as long as the server does.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from adapters.redis.client import Argument, Client
from adapters.redis.keyed import instant_of, milliseconds_at
from adapters.redis.keys import PREFIX, key, parsed, shared_key, tenant_pattern
from adapters.redis.scripts import Script
from domain.erasure import Tombstone
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId
from domain.rules import restored
from ports.errors import CorruptRecordError
from ports.together import together
from ports.tombstones import STALENESS, TOMBSTONE
from ports.view import BITS, Changes, ViewedTombstones

KIND: Final = "tombstone"
_TAG: Final = "tombstones"
_NEWS: Final = shared_key("tombstone-news")
_ERASED: Final = "erased:"
_OVERLAP: Final = 10_000
"""Milliseconds of the stream that are read again each time: the clock of a server that takes over
may be so far behind the one that was there before."""
_AT_ONCE: Final = 100

_BURY: Final = Script.named("tombstone_bury")
_NOTE: Final = Script.named("tombstone_note")
_TELL: Final = Script.named("tombstone_tell")


@attrs.frozen
class _Place:
    """The last entry of the stream that was read; `whole`: there was nothing after it."""

    id: str
    whole: bool

    @property
    def start(self) -> str:
        """From where to read on."""
        if not self.whole:
            return f"({self.id}"
        return str(max(0, int(self.id.partition("-")[0]) - _OVERLAP))


class RedisTombstones(ViewedTombstones):
    """Of every tenant. To list them, or forget a tenant's users, reads the name of every key."""

    def __init__(
        self, client: Client, *, deadline: float, staleness: timedelta = STALENESS
    ) -> None:
        super().__init__(deadline, staleness)
        self._client = client

    async def _bury(self, tombstone: Tombstone) -> Tombstone:
        tenant, user = tombstone.tenant_id, tombstone.user_hash
        fields: list[Argument] = ["at", milliseconds_at(tombstone.at)]
        if tombstone.user_id is not None:
            fields += ["user", tombstone.user_id]
        if tombstone.finished_at is not None:
            fields += ["finished", milliseconds_at(tombstone.finished_at)]
        until = milliseconds_at(tombstone.until)
        reply = await self._client.run(
            _BURY, [_key(tenant, user)], [until, *fields, *_counts(tombstone.erased)]
        )
        kept = _tombstone(tenant, user, reply)
        who = ("tenant", tenant) if user is None else ("user", user[:BITS])
        await self._client.run(_TELL, [_NEWS], [milliseconds_at(kept.until), *who])
        return kept

    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None:
        name = _key(tenant, user)
        reply = await self._client.execute("HGETALL", name, key=name, writes=False)
        return _tombstone(tenant, user, reply) if reply else None

    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        finished: Argument = "" if finished_at is None else milliseconds_at(finished_at)
        reply = await self._client.run(_NOTE, [_key(tenant, user)], [finished, *_counts(erased)])
        return None if reply is None else _tombstone(tenant, user, reply)

    async def _lift(self, tenant: TenantId, user: str | None) -> bool:
        name = _key(tenant, user)
        gone: int = await self._client.execute("DEL", name, key=name, writes=True)
        return gone > 0

    async def _standing(
        self, tenant: TenantId | None, unfinished: bool
    ) -> AsyncIterator[Tombstone]:
        async for names in self._names(tenant):
            found = await together((self._find(*name) for name in names), at_once=_AT_ONCE)
            for each in found:
                if each is not None and not (unfinished and each.finished_at):
                    yield each

    async def _forget_users(self, tenant: TenantId, limit: int) -> tuple[int, bool]:
        gone = 0
        async for names in self._names(tenant):
            users = [user for _, user in names if user is not None]
            gone += sum(
                await together((self._lift(tenant, user) for user in users), at_once=_AT_ONCE)
            )
        return gone, False

    async def _purge(self, now: datetime, limit: int) -> tuple[int, bool]:
        return 0, False

    async def _names(
        self, tenant: TenantId | None
    ) -> AsyncIterator[list[tuple[TenantId, str | None]]]:
        """Whose they are, each once, in batches; all names are in memory together."""
        start = f"{PREFIX}{{*/" if tenant is None else tenant_pattern(tenant)[:-1]
        seen: set[tuple[TenantId, str | None]] = set()
        async for names in self._client.scan(f"{start}{_TAG}}}:{KIND}*"):
            told = [parsed(name) for name in names]
            fresh = {
                (name.tenant, name.parts[0] if name.parts else None)
                for name in told
                if name is not None and name.kind == KIND
            } - seen
            seen |= fresh
            yield list(fresh)

    # What the gate asks.

    async def changes(self, place: Any, limit: int) -> Changes:
        start = "-" if place is None else place.start
        asked = ("XRANGE", _NEWS, start, "+", "COUNT", limit)
        found = await self._client.execute(*asked, key=_NEWS, writes=False)
        more = len(found) == limit
        last = place
        if found:
            last = _Place(found[-1][0].decode(), not more)
        elif isinstance(place, _Place):
            last = attrs.evolve(place, whole=True)
        told = [(fields[0], fields[1].decode()) for _, fields in found]
        return Changes(
            place=last,
            tenants=[TenantId(name) for kind, name in told if kind == b"tenant"],
            users=[hash for kind, hash in told if kind == b"user"],
            more=more,
        )

    async def stand(
        self, tenant: TenantId, users: Sequence[str], *, own: bool
    ) -> Collection[str | None]:
        asked: list[str | None] = [None, *users] if own else [*users]
        names = [_key(tenant, user) for user in asked]
        found = await together(
            self._client.execute("EXISTS", name, key=name, writes=False) for name in names
        )
        return {user for user, there in zip(asked, found, strict=True) if there}


def _key(tenant: TenantId, user: str | None) -> str:
    return key(tenant, _TAG, KIND, *(() if user is None else (user,)))


def _counts(erased: Mapping[str, int]) -> list[Argument]:
    return [value for kind, count in erased.items() for value in (f"{_ERASED}{kind}", count)]


def _tombstone(tenant: TenantId, user: str | None, reply: Sequence[bytes]) -> Tombstone:
    fields = {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}
    erased = {
        name.removeprefix(_ERASED): int(count)
        for name, count in fields.items()
        if name.startswith(_ERASED)
    }
    try:
        return restored(
            Tombstone,
            {
                "tenant_id": tenant,
                "user_id": UserId(fields["user"].decode()) if "user" in fields else None,
                "user_hash": user,
                "at": instant_of(int(fields["at"])),
                "until": instant_of(int(fields["until"])),
                "erased": FrozenDict.holding(erased),
                "finished_at": instant_of(int(fields["finished"]))
                if "finished" in fields
                else None,
            },
        )
    except (LookupError, ValueError):
        raise CorruptRecordError(TOMBSTONE, tenant) from None
