"""Execution contexts in the reference, and the course that the state machine takes them."""

from typing import Any

import attrs
from hypothesis import strategies as st

from domain.contexts import ExecutionContext
from domain.identity import Draft
from ports.contracts.model import Course, Draw, Operation, RepositoryModel, Ways


@attrs.define(slots=False)
class ContextModel(RepositoryModel):
    """The contexts of one tenant's conversations."""

    entities: dict[Any, ExecutionContext] = attrs.field(factory=dict)

    def get(self, conversation_id: str) -> ExecutionContext | None:
        return self.entities.get(conversation_id)

    def save(self, context: Draft[ExecutionContext]) -> ExecutionContext:
        made: ExecutionContext = self.create(context)
        return made

    def reset(
        self,
        conversation_id: str,
        reason: str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> ExecutionContext:
        context: ExecutionContext = self.modify(
            conversation_id,
            lambda found: found.reset(at=self.clock.now(), reason=reason),
            expected_revision,
        )
        return context


_USERS = st.sampled_from(["ada", "bob"])
_NOTES = st.none() | st.sampled_from(["", "x", "X%", "ß"])
_STATES = st.sampled_from(["start", "ask", "$"])
_DOCUMENTS = st.sampled_from([{}, {"n": 3.0}, {"$set": {"a.b": None}}])


def _operations(draw: Draw, id: str) -> Ways:
    return {
        "get": lambda: Operation("get", (id,)),
        "save": lambda: Operation(
            "save",
            (ExecutionContext.draft(id, user_id=draw(_USERS), current_state=draw(_STATES)),),
        ),
        "reset": lambda: Operation(
            "reset",
            (id, draw(_NOTES)),
            {"expected_revision": draw(st.none() | st.integers(1, 4))},
        ),
    }


CONTEXT_COURSE = Course(
    few={
        "user_id": _USERS,
        "current_state": st.none() | _STATES,
        "previous_states": st.lists(_STATES, max_size=2),
        "slots": _DOCUMENTS,
        "variables": _DOCUMENTS,
        "user_profile": _DOCUMENTS,
        "reset_reason": _NOTES,
        "error_count": st.integers(0, 2),
    },
    model=ContextModel,
    operations=_operations,
    often=("reset",),
)
