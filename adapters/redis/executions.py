"""Execution states in Redis: each beside its fencing token, which outlives it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson

from adapters.redis.client import Argument
from adapters.redis.keyed import Header, RedisKeyed, instant_of, milliseconds_of, script
from adapters.redis.keys import key
from adapters.redis.scripts import Script
from domain.documents import EMPTY, freeze
from domain.executions import ExecutionState
from domain.frozen import FrozenDict
from domain.identity import TenantId
from ports.executions import FENCED_FOR, ExecutionStore, erased, overtaken

_ERASED: Final = -2
_INSERT: Final = script("execution_insert")
_REMOVE: Final = script("execution_remove")
_COUNTS: Final = ("turn_count", "error_count", "retry_count")
_LISTS: Final = ("previous_states", "intent_stack")
_DOCUMENTS: Final = ("slots", "variables")
_KEPT: Final = (
    *("flow_id", "flow_version", "current_state", "timings"),
    *_COUNTS,
    *_LISTS,
    *_DOCUMENTS,
)


def erased_key(tenant: TenantId, id: str) -> str:
    """The key of the mark that a conversation was erased."""
    return key(tenant, id, "execution-erased")


class RedisExecutionStore(RedisKeyed[ExecutionState], ExecutionStore):
    """Execution states."""

    _fenced_for = milliseconds_of(FENCED_FOR)

    inserting: ClassVar[Script] = _INSERT
    removing: ClassVar[Script] = _REMOVE

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        return await self._inserted(state, fence)

    async def _inserted(
        self, state: ExecutionState, fence: int | None, *more: Argument
    ) -> ExecutionState | None:
        reply = await self._client.run(
            self.inserting,
            [*self._keys(state.id), erased_key(self._tenant, state.id)],
            [
                milliseconds_of(state.ttl),
                self._content(state),
                "" if fence is None else fence,
                self._fenced_for,
                *more,
            ],
        )
        if reply[0] == _ERASED:
            raise erased(self._tenant)
        if reply[0] < 0:
            raise self._refused()
        return self._stamped(state, reply[1], reply[2]) if reply[0] else None

    async def _remove(self, id: str, fence: int | None) -> bool:
        token = "" if fence is None else fence
        gone: int = await self._client.run(self.removing, self._keys(id), [token, self._fenced_for])
        if gone < 0:
            raise self._refused()
        return gone > 0

    def _keys(self, id: str) -> Sequence[str]:
        return [key(self._tenant, id, kind) for kind in ("execution", "execution-fence")]

    def _idle(self, entity: ExecutionState) -> timedelta:
        return entity.ttl

    def _content(self, entity: ExecutionState) -> bytes:
        fields = vars(entity)
        # What is nothing yet is left out; but an empty text isn't nothing.
        return orjson.dumps(
            {name: fields[name] for name in _KEPT if fields[name] or fields[name] == ""}
        )

    def _times(self, header: Header, used: int) -> dict[str, Any]:
        _, revision, created, updated, _, ttl, _, _ = header
        return {
            "created_at": instant_of(created),
            "updated_at": instant_of(updated),
            "ttl": timedelta(0, 0, 0, ttl),
            "revision": revision,
        }

    def _fill(self, fields: dict[str, Any], owner: str, content: bytes) -> None:
        document = orjson.loads(content)
        flow = document.get("flow_id")
        fields["flow_id"] = None if flow is None else UUID(flow)
        fields["flow_version"] = document.get("flow_version")
        fields["current_state"] = document.get("current_state")
        for name in _COUNTS:
            fields[name] = document.get(name, 0)
        for name in _LISTS:
            fields[name] = tuple(document.get(name, ()))
        for name in _DOCUMENTS:
            fields[name] = freeze(document[name]) if name in document else EMPTY
        fields["timings"] = FrozenDict.holding(document.get("timings", {}))

    def _refused(self) -> Exception:
        return overtaken()
