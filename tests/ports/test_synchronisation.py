"""Execution states whose contexts others change all the time."""

import asyncio
from typing import Any

import attrs
import pytest

from adapters.memory import MemoryDialogueStore, MemoryRuntimeStore
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.identity import tenant_id
from ports import synchronisation
from ports.errors import ConflictError, OutcomeUnknownError
from ports.synchronisation import SynchronisedExecutions

ACME = tenant_id("acme")


@attrs.define
class Contended:
    """Repositories of which somebody else always changed the context first."""

    contexts: Any
    conversations: Any

    async def get(self, id: str) -> ExecutionContext | None:
        """The context as it stands."""
        found: ExecutionContext | None = await self.contexts.get(id)
        return found

    async def update(self, context: ExecutionContext) -> ExecutionContext:
        """Refused."""
        raise ConflictError("context", context.id, context.revision, context.revision + 1)


def test_a_deletion_of_which_the_context_can_not_be_told_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a conflict it would still be there; somebody tells the context later."""
    monkeypatch.setattr(synchronisation, "_LOST", 2)

    async def happen() -> None:
        dialogue = MemoryDialogueStore().repositories(ACME)
        hot = MemoryRuntimeStore().repositories(ACME).tracked_executions
        await dialogue.conversations.create(Conversation.draft(user_id="ada", id="talk"))
        calm = SynchronisedExecutions(ACME, hot, dialogue)
        await calm.save(ExecutionState.draft("talk"))
        await calm.synchronise("talk")
        contended: Any = Contended(dialogue.contexts, dialogue.conversations)
        others: Any = attrs.evolve(contended, contexts=contended)
        with pytest.raises(OutcomeUnknownError):
            await SynchronisedExecutions(ACME, hot, others).delete("talk")
        assert await calm.get("talk") is None
        await calm.synchronise("talk")
        mark = (await dialogue.contexts.require("talk")).execution
        assert mark is not None
        assert mark.ended

    asyncio.run(happen())
