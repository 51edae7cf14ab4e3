"""Execution states in Redis: each beside its fencing token, which outlives it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from adapters.redis.keyed import Header, RedisKeyed, milliseconds_of, script
from adapters.redis.keys import key
from domain.documents import EMPTY, freeze
from domain.executions import ExecutionState
from domain.frozen import FrozenDict
from ports.executions import FENCED_FOR, ExecutionStore, overtaken

_INSERT: Final = script("execution_insert")
_REMOVE: Final = script("execution_remove")
_PLAIN: Final = ("flow_version", "current_state", "turn_count", "error_count", "retry_count")
_LISTS: Final = ("previous_states", "intent_stack")
_DOCUMENTS: Final = ("slots", "variables")


class RedisExecutionStore(RedisKeyed[ExecutionState], ExecutionStore):
    """Execution states."""

    _fenced_for = milliseconds_of(FENCED_FOR)

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        reply = await self._client.run(
            _INSERT,
            self._keys(state.id),
            [
                milliseconds_of(state.ttl),
                self._content(state),
                "" if fence is None else fence,
                self._fenced_for,
            ],
        )
        if reply[0] < 0:
            raise self._refused()
        return self._stamped(state, reply[1], reply[2]) if reply[0] else None

    async def _remove(self, id: str, fence: int | None) -> bool:
        token = "" if fence is None else fence
        gone: int = await self._client.run(_REMOVE, self._keys(id), [token, self._fenced_for])
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
        names = (*_PLAIN, *_LISTS, *_DOCUMENTS, "flow_id", "timings")
        return orjson.dumps(
            {name: fields[name] for name in names if fields[name] or fields[name] == ""}
        )

    def _fields(self, owner: str, content: bytes) -> dict[str, Any]:
        document = orjson.loads(content)
        flow = document.get("flow_id")
        return {
            "flow_id": None if flow is None else UUID(flow),
            "flow_version": document.get("flow_version"),
            "current_state": document.get("current_state"),
            "turn_count": document.get("turn_count", 0),
            "error_count": document.get("error_count", 0),
            "retry_count": document.get("retry_count", 0),
            **{name: tuple(document.get(name, ())) for name in _LISTS},
            **{name: freeze(document.get(name, EMPTY)) for name in _DOCUMENTS},
            "timings": FrozenDict.holding(document.get("timings", {})),
        }

    def _times(self, header: Header) -> Mapping[str, Any]:
        return {
            "created_at": header.created_at,
            "updated_at": header.updated_at,
            "ttl": header.idle,
            "revision": header.revision,
        }

    def _refused(self) -> Exception:
        return overtaken()
