"""The archive of what lives for a while, in Redis."""

import sqlite3
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import ClassVar, Final

from adapters.redis.client import Client
from adapters.redis.keyed import milliseconds_at, milliseconds_of, script
from adapters.redis.keys import kind_of, parsed, tenant_pattern
from adapters.redis.sessions import RedisSessionStore
from adapters.redis.tracking import RedisTrackedExecutions, RedisUnsynchronised, all_keys
from domain.identity import TenantId, tenant_id
from domain.records import KeptExecution
from domain.sessions import Session
from ports.archives import EXECUTIONS, RUNTIME_KINDS, SESSIONS, Archive, Batch, Key, Put, Record
from ports.archives import RecordKind as Kind
from ports.gate import OPEN, Gate
from ports.together import together

_PAGE: Final = 500
_SESSION: Final = script("session_restore", "session")
_EXECUTION: Final = script("execution_restore", "execution_note")
_PUT: Final = {1: Put.ADDED, 0: Put.HELD, -1: Put.EXPIRED, -2: Put.ORPHAN}
_NAMES: Final = {"session": SESSIONS, "execution": EXECUTIONS}


class RedisArchive(Archive):
    """Sessions and execution states, by id; each as it is when it is read.

    The names of all keys are read once, and the tenant's ids sorted in a temporary file. A key that
    a cluster moves to another node meanwhile may be missing.
    """

    kinds: ClassVar[tuple[Kind, ...]] = RUNTIME_KINDS

    def __init__(self, client: Client, queue: RedisUnsynchronised, gate: Gate = OPEN) -> None:
        super().__init__(gate)
        self._client = client
        self._queue = queue

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        named = tenant_id(tenant)
        with closing(_Ids()) as ids:
            async for names in self._client.scan(tenant_pattern(named)):
                ids.add(_told(names))
            for kind in self.kinds:
                for page in ids.pages(kind):
                    read = await together(self._one(named, kind, id) for id in page)
                    if records := [record for record in read if record is not None]:
                        yield kind, records

    async def _put(self, tenant: TenantId, kind: Kind, records: Sequence[Record]) -> Sequence[Put]:
        if kind is SESSIONS:
            sessions = _Sessions(tenant, self._client)
            return await together(map(sessions.put_back, records))
        executions = _Executions(tenant, self._client, self._queue)
        return await together(map(executions.put_back, records))

    async def _found(
        self, tenant: TenantId, kind: Kind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        found = await together(self._one(tenant, kind, record.id) for record in records)
        return {kind.key_of(record): record for record in found if record is not None}

    async def _one(self, tenant: TenantId, kind: Kind, id: str) -> Record | None:
        if kind is SESSIONS:
            return await _Sessions(tenant, self._client).kept(id)
        seen = await _Executions(tenant, self._client, self._queue).seen(id)
        if seen.state is None:
            return None
        return KeptExecution(state=seen.state, life=seen.life, noted=seen.note is not None)


class _Sessions(RedisSessionStore):
    async def kept(self, id: str) -> Session | None:
        """It, which isn't a use."""
        return await self._read(id, False, None)

    async def put_back(self, session: Session) -> Put:
        keys = [*self._keys(session.id), self._list(session.user_id)]
        times = (session.created_at, session.updated_at, session.last_activity_at)
        put = await self._client.run(
            _SESSION,
            keys,
            [
                session.id,
                session.user_id,
                session.revision,
                *map(milliseconds_at, times),
                milliseconds_of(session.idle_timeout),
                milliseconds_at(session.expires_at),
                self._content(session),
            ],
        )
        return _PUT[put]


class _Executions(RedisTrackedExecutions):
    async def put_back(self, record: KeptExecution) -> Put:
        state, tenant = record.state, self._tenant
        record_key, _, *marks = all_keys(tenant, state.id)
        put = await self._client.run(
            _EXECUTION,
            [record_key, *marks],
            [
                record.life,
                int(record.noted),
                state.revision,
                milliseconds_at(state.created_at),
                milliseconds_at(state.updated_at),
                milliseconds_of(state.ttl),
                self._content(state),
            ],
        )
        if record.noted and put == 1:
            self._queue.hint(tenant, state.id)
        return _PUT[put]


class _Ids:
    """Ids, sorted beyond what memory holds: SQLite keeps its own temporary file for them."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute(
            "CREATE TABLE ids (kind TEXT, id TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )

    def add(self, ids: Iterable[tuple[str, str]]) -> None:
        """Some more, of which some may be there."""
        self._database.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", ids)

    def pages(self, kind: Kind) -> Iterator[list[str]]:
        """Those of a kind by code point."""
        rows = self._database.execute("SELECT id FROM ids WHERE kind = ? ORDER BY id", [kind.name])
        while page := rows.fetchmany(_PAGE):
            yield [id for (id,) in page]

    def close(self) -> None:
        self._database.close()


def _told(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        kind = _NAMES.get(kind_of(name))
        told = None if kind is None else parsed(name)
        if kind is None or told is None:
            continue
        if kind is EXECUTIONS and not told.parts:
            yield kind.name, told.tag
        elif kind is SESSIONS and len(told.parts) == 1:
            yield kind.name, told.parts[0]
