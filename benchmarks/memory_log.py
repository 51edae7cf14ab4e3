"""Rows of the memory adapter's log: appends, pages and messages a second, and what a hundredfold of
messages changes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from adapters.memory.store import MemoryDialogueStore
from benchmarks.dialogues import conversation_drafts, message_drafts
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns, shared_out
from benchmarks.memory import per_second
from benchmarks.scale import Scale
from domain.identity import tenant_id
from domain.messages import Message
from ports.append_log import MAX_APPEND
from ports.messages import MessageRepository

_TENANT = tenant_id("bench")


@attrs.define
class _Filled:
    """One conversation with so many messages, in a store by itself."""

    messages: MessageRepository
    log: str
    size: int
    stored: list[Message]
    _turn: int = attrs.field(default=0, init=False)

    @classmethod
    async def of(cls, size: int) -> "_Filled":
        mine = MemoryDialogueStore().repositories(_TENANT)
        (draft,) = conversation_drafts(1)
        log = (await mine.conversations.create(draft)).id
        stored: list[Message] = []
        while len(stored) < size:
            drafts = message_drafts(min(MAX_APPEND, size - len(stored)))
            stored += await mine.messages.append(log, drafts)
        return cls(mine.messages, log, size, stored)

    def some(self, count: int) -> list[Message]:
        """`count` of them from all over, others at each call."""
        self._turn += 1
        step = max(self.size // count, 1)
        places = range(self._turn, self._turn + count * step, step)
        return [self.stored[place % self.size] for place in places]


async def rows(scale: Scale) -> list[Figure]:
    """Three operations, at both sizes."""
    figures: list[Figure] = []
    few, many = scale.in_memory
    for name, build in _OPERATIONS.items():
        count = scale.operations(100)
        contenders = [build(await _Filled.of(size), count) for size in (few, many)]
        rounds = await in_turns(contenders, scale.few)
        figures += per_second(rounds, name, "messages", few, many)
    return figures


def _get(filled: _Filled, count: int) -> Contender:
    async def get(message: Message) -> Any:
        return await filled.messages.get_by_id(message.id)

    return _each(filled, count, get)


def _history(filled: _Filled, count: int) -> Contender:
    async def history(message: Message) -> Any:
        return await filled.messages.history(filled.log, after=message.sequence, limit=50)

    return _each(filled, count, history)


def _each(filled: _Filled, count: int, one: Callable[[Message], Any]) -> Contender:
    return shared_out(str(filled.size), one, prepare=lambda: filled.some(count), operations=count)


def _append(filled: _Filled, count: int) -> Contender:
    current = filled

    async def append(draft: Any) -> Any:
        return await current.messages.append(current.log, (draft,))

    async def tidy(appended: Sequence[Any]) -> None:
        # What is appended stays: one that it makes notably longer is begun anew.
        nonlocal current
        ((last,), *_) = appended[::-1]
        if last.sequence > current.size * 1.1:
            current = await _Filled.of(current.size)

    return shared_out(
        str(filled.size),
        append,
        prepare=lambda: list(message_drafts(count)),
        operations=count,
        tidy=tidy,
    )


_OPERATIONS: dict[str, Callable[[_Filled, int], Contender]] = {
    "append": _append,
    "history 50": _history,
    "get message": _get,
}
