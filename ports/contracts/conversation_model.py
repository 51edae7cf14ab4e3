"""Conversations in the reference, and the course that the state machine takes them."""

from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import strategies as st

from domain.conversations import Channel, Conversation, ConversationStatus
from domain.rules import instant
from ports.contracts.model import Course, Draw, Operation, RepositoryModel, Ways

_S = ConversationStatus


@attrs.define(slots=False)
class ConversationModel(RepositoryModel):
    """One tenant's conversations."""

    entities: dict[Any, Conversation] = attrs.field(factory=dict)

    def get_active_for_user(
        self, user_id: str, *, channel: Channel | None = None, limit: int = 50
    ) -> tuple[Conversation, ...]:
        found = [
            one
            for one in self.entities.values()
            if one.user_id == user_id and one.status is _S.ACTIVE and channel in (None, one.channel)
        ]
        latest = sorted(found, key=lambda one: (one.last_activity_at, one.id), reverse=True)
        return tuple(latest[:limit])

    def transition(
        self,
        id: str,
        status: ConversationStatus,
        *,
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> Conversation:
        def moved(found: Conversation) -> Conversation:
            if found.status is status:
                return found
            return found.moved_to(status, at=self.clock.now(), reason=reason)

        conversation: Conversation = self.modify(id, moved, expected_revision)
        return conversation

    def enter_state(
        self, id: str, state: str, *, expected_revision: int | None = None
    ) -> Conversation:
        conversation: Conversation = self.modify(
            id, lambda found: found.entered(state, at=self.clock.now()), expected_revision
        )
        return conversation

    def touch(self, id: str, *, at: datetime | None = None) -> Conversation:
        with self._in_store():
            standing: Conversation = self._standing(id, None)
        kept = self.clock.kept if at is None else instant(at)
        latest = max(standing.last_activity_at, kept)
        self.entities[id] = touched = attrs.evolve(standing, last_activity_at=latest)
        return touched

    def close_idle(self, before: datetime, *, limit: int | None = None) -> int:
        idle = [
            one
            for one in self.entities.values()
            if one.status is _S.ACTIVE and one.last_activity_at < instant(before)
        ]
        longest = sorted(idle, key=lambda one: (one.last_activity_at, one.id))[:limit]
        for one in longest:
            closed = one.moved_to(_S.TIMEOUT, at=self.clock.now(), reason="idle")
            self.entities[one.id] = self._written(closed)
        return len(longest)


_USERS = st.sampled_from(["ada", "bob"])
_CHANNELS = st.sampled_from([Channel.WEB, Channel.SMS])
_NOTES = st.none() | st.sampled_from(["", "x", "X y", "ß"])
_STATES = st.sampled_from(["start", "ask", "$"])
_REVISIONS = st.none() | st.integers(1, 4)
# Long ago, or so late that the contracts' clock never gets there; these meet each other.
_TIMES = st.sampled_from(
    [
        datetime(2000, 1, 1, tzinfo=UTC),
        *(datetime(2999, 1, 1, 0, 0, 0, n * 1_000, tzinfo=UTC) for n in range(3)),
    ]
)


def _operations(draw: Draw, id: str) -> Ways:
    return {
        "get_active_for_user": lambda: Operation(
            "get_active_for_user",
            (draw(_USERS),),
            {"channel": draw(st.none() | _CHANNELS), "limit": draw(st.integers(1, 3))},
        ),
        "transition": lambda: Operation(
            "transition",
            (id, draw(st.sampled_from(_S))),
            {"reason": draw(_NOTES), "expected_revision": draw(_REVISIONS)},
        ),
        "enter_state": lambda: Operation(
            "enter_state", (id, draw(_STATES)), {"expected_revision": draw(_REVISIONS)}
        ),
        "touch": lambda: Operation("touch", (id,), {"at": draw(st.none() | _TIMES)}),
        "close_idle": lambda: Operation(
            "close_idle", (draw(_TIMES),), {"limit": draw(st.none() | st.integers(1, 2))}
        ),
    }


CONVERSATION_COURSE = Course(
    few={
        "user_id": _USERS,
        "channel": _CHANNELS,
        "summary": _NOTES,
        "flow_version": _NOTES.filter(lambda note: note != ""),
        "tags": st.lists(_STATES, max_size=2),
        "started_at": st.none() | _TIMES,
        "business_context": st.sampled_from([{}, {"n": 3.0}]),
    },
    model=ConversationModel,
    operations=_operations,
    often=("transition", "touch"),
)
