"""Execution states in Redis that are tracked, and the queue of those that aren't synchronised."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from adapters.redis.client import Argument, Client
from adapters.redis.executions import RedisExecutionStore, erased_key
from adapters.redis.keyed import instant_of, life_of, milliseconds_at, milliseconds_of, script
from adapters.redis.keys import PREFIX, key, parsed, shared_key
from adapters.redis.scripts import Script
from domain.executions import ExecutionState
from domain.identity import TenantId
from ports.errors import RepositoryError
from ports.gate import OPEN, Gate
from ports.keyed import Replaced
from ports.logs import Log
from ports.tracking import (
    BURIED_FOR,
    Due,
    Note,
    Seen,
    SynchronisationBacklog,
    TrackedExecutions,
    Unsynchronised,
)

_NOTE: Final = "execution_note"
_SEEN: Final = Script(script("execution_seen").source, writes=False)
_SETTLE: Final = Script.named("execution_settle")
_REVIVE: Final = script("execution_revive", _NOTE, "execution_lifted")
_LIFT: Final = script("execution_lift", _NOTE, "execution_lifted")
_PUT: Final = Script.named("unsynchronised_put")
_TAKE: Final = Script.named("unsynchronised_take")
_BACKLOG: Final = Script.named("unsynchronised_backlog", writes=False)

NOTES: Final = "execution-note"
"""The kind of keys that hold notes."""

_QUEUE: Final = shared_key("unsynchronised")
_SWEPT: Final = shared_key("unsynchronised-swept")
_QUEUED_FOR: Final = 24 * 3_600_000
_GATHERED: Final = 0.02
"""Seconds during which hints are gathered to be sent together."""

_BATCH: Final = 500
_LOG: Final = Log("synchronisation")


class RedisUnsynchronised(Unsynchronised):
    """A sorted set of conversations by when they are due; notes lie beside the states."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._hints: set[Due] = set()
        self._sending: asyncio.Task[None] | None = None

    def hint(self, tenant: TenantId, id: str) -> None:
        """Say that there is a note, some moments from now."""
        self._hints.add((tenant, id))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._hints:
                await asyncio.sleep(_GATHERED)
                await self._flush()
        finally:
            self._sending = None

    async def _flush(self) -> None:
        hints, self._hints = self._hints, set()
        try:
            await self.put(hints)
        except RepositoryError as error:
            # A sweep finds the notes; whoever wrote has its answer already.
            _LOG.warning("hints were lost", hints=len(hints), error=type(error).__name__)

    async def close(self) -> None:
        """Send what was gathered."""
        if self._sending is not None:
            await self._sending

    async def take(self, limit: int) -> Sequence[Due]:
        return [_due(member) for member in await self._client.run(_TAKE, [_QUEUE], [limit])]

    async def put(self, due: Iterable[Due], *, after: timedelta = timedelta()) -> None:
        members = [f"{tenant}/{id}" for tenant, id in due]
        for start in range(0, len(members), _BATCH):
            arguments: list[Argument] = [milliseconds_of(after), _QUEUED_FOR]
            await self._client.run(_PUT, [_QUEUE], [*arguments, *members[start : start + _BATCH]])

    async def forget(self, tenant: TenantId, ids: Sequence[str] | None = None) -> None:
        """Take some of a tenant's conversations out of the queue, or (None) all of them, for which
        the whole of it is read.
        """
        if ids is not None:
            self._hints -= {(tenant, id) for id in ids}
            members: list[Argument] = [f"{tenant}/{id}" for id in ids]
            if members:
                await self._client.execute("ZREM", _QUEUE, *members, key=_QUEUE, writes=True)
            return
        self._hints = {due for due in self._hints if due[0] != tenant}
        cursor: bytes | int = 0
        while True:
            # Nothing in a tenant's name has a meaning in a pattern.
            looking = ("ZSCAN", _QUEUE, cursor, "MATCH", f"{tenant}/*", "COUNT", 1_000)
            cursor, found = await self._client.execute(*looking, key=_QUEUE, writes=False)
            if found:
                await self._client.execute("ZREM", _QUEUE, *found[::2], key=_QUEUE, writes=True)
            if int(cursor) == 0:
                return

    async def sweep(self, every: timedelta) -> int | None:
        if every:
            lasting = ("PX", milliseconds_of(every))
            first = await self._client.execute(
                *("SET", _SWEPT, "1", "NX", *lasting), key=_SWEPT, writes=True
            )
            if first is None:
                return None
        found = 0
        async for names in self._client.scan(f"{PREFIX}{{*}}:{NOTES}"):
            told = [parsed(name) for name in names]
            due = [(name.tenant, name.tag) for name in told if name is not None]
            await self.put(due)
            found += len(due)
        return found

    async def backlog(self) -> SynchronisationBacklog:
        now, waiting, first = await self._client.run(_BACKLOG, [_QUEUE])
        oldest, present = instant_of(first), instant_of(now)
        if not waiting or oldest > present:
            return SynchronisationBacklog(waiting=waiting)
        return SynchronisationBacklog(waiting=waiting, oldest=oldest, late=present - oldest)


def _due(member: bytes) -> Due:
    tenant, _, id = member.decode().partition("/")
    return TenantId(tenant), id


def all_keys(tenant: TenantId, id: str) -> list[str]:
    """All keys of a conversation's state: itself, its fencing token, note, grave, and the mark that
    it was erased.
    """
    kinds = ("execution", "execution-fence", NOTES, "execution-grave")
    return [*(key(tenant, id, kind) for kind in kinds), erased_key(tenant, id)]


class RedisTrackedExecutions(RedisExecutionStore, TrackedExecutions):
    """Each state has its note and its grave in its own slot."""

    inserting: ClassVar[Script] = script("execution_insert", _NOTE)
    removing: ClassVar[Script] = script("execution_remove", _NOTE)

    def __init__(
        self,
        tenant: TenantId,
        client: Client,
        queue: RedisUnsynchronised,
        gate: Gate = OPEN,
    ) -> None:
        super().__init__(tenant, client, gate)
        self._queue = queue

    def _keys(self, id: str) -> Sequence[str]:
        return [*super()._keys(id), key(self._tenant, id, NOTES)]

    def _all_keys(self, id: str) -> Sequence[str]:
        return all_keys(self._tenant, id)

    async def begin(
        self, state: ExecutionState, fence: int | None, above: int
    ) -> ExecutionState | None:
        made = await self._inserted(state, fence, above)
        self._queue.hint(self._tenant, state.id)
        return made

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        return await self.begin(state, fence, 0)

    async def _replace(
        self, entity: ExecutionState, fence: int | None
    ) -> Replaced[ExecutionState] | None:
        replaced = await super()._replace(entity, fence)
        if replaced is not None and replaced.done:
            self._queue.hint(self._tenant, entity.id)
        return replaced

    async def _remove(self, id: str, fence: int | None) -> bool:
        gone = await super()._remove(id, fence)
        self._queue.hint(self._tenant, id)
        return gone

    async def seen(self, id: str) -> Seen:
        reply = await self._client.run(_SEEN, self._all_keys(id))
        now, record, note, fence, fenced_until, buried = reply
        state = None if record is None else self._entity(id, record, 0)
        return Seen(
            now=instant_of(now),
            state=state,
            life=0 if record is None else life_of(record),
            note=None if note is None else _note(note),
            fence=None if fence is None else int(fence),
            fenced_until=None if fence is None else instant_of(fenced_until),
            buried=buried > 0,
        )

    async def settle(self, id: str, note: Note) -> bool:
        kept = milliseconds_of(BURIED_FOR) if note.ended else 0
        keys = self._all_keys(id)[2:4]
        settled: int = await self._client.run(_SETTLE, keys, [_text(note), kept])
        return settled > 0

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        arguments: list[Argument] = ["", 0, life]
        if fence is not None and fenced_until is not None:
            arguments[:2] = fence, milliseconds_at(fenced_until)
        if state is not None:
            arguments += [
                state.revision,
                milliseconds_at(state.created_at),
                milliseconds_at(state.updated_at),
                milliseconds_of(state.ttl),
                self._content(state),
            ]
        await self._client.run(_REVIVE, self._all_keys(id), arguments)
        if state is not None:
            self._queue.hint(self._tenant, id)

    async def lift(self, id: str, life: int, revision: int) -> None:
        record, _, note = self._keys(id)
        await self._client.run(_LIFT, [record, note], [life, revision])


def _text(note: Note) -> str:
    return f"{note.life}:{note.revision}:{int(note.ended)}"


def _note(text: bytes) -> Note:
    life, revision, ended = map(int, text.split(b":"))
    return Note(life=life, revision=revision, ended=ended > 0)
