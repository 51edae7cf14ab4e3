"""Where a conversation is in its flow, as its messages and its execution state tell."""

from collections.abc import Mapping, Sequence
from typing import Final, Self
from uuid import UUID

import attrs

from domain.documents import JsonObject
from domain.executions import ExecutionState
from domain.identity import Draft, EntryDraft
from domain.messages import Direction, Message, QuickReply
from examples.chat_api.engine import Reply, Step

BOT: Final = "bot"
_TURN: Final = "turn"


@attrs.frozen(kw_only=True)
class Place:
    """A state of a flow's version, after the message of that sequence. `turn` counts from 0, which
    is how the flow began.
    """

    flow_id: UUID
    version: str
    state: str
    slots: Mapping[str, str]
    turn: int
    sequence: int
    ended: bool

    def after(self, step: Step, sequence: int) -> Self:
        """The next one."""
        return attrs.evolve(
            self,
            state=step.state,
            slots=step.slots,
            turn=self.turn + 1,
            sequence=sequence,
            ended=step.ended,
        )


def said(step: Step, turn: int) -> list[EntryDraft[Message]]:
    """The answers of a step. The last of them says where the flow is then; where nothing is
    answered, an event does, which isn't shown."""
    *before, last = step.replies or (None,)
    place = {
        "turn": turn,
        "state": step.state,
        "slots": dict(step.slots),
        "ended": step.ended,
    }
    return [*(_draft(reply, {}) for reply in before), _draft(last, {_TURN: place})]


def _draft(reply: Reply | None, payload: Mapping[str, object]) -> EntryDraft[Message]:
    outbound, held = Direction.OUTBOUND, JsonObject.of(payload)
    if reply is None:
        return Message.draft(direction=outbound, sender=BOT, payload=held)
    choices = [QuickReply(title=choice) for choice in reply.choices]
    return Message.draft(
        reply.text, direction=outbound, sender=BOT, payload=held, quick_replies=choices
    )


def told(messages: Sequence[Message]) -> Mapping[str, object] | None:
    """What the last of a turn's messages says of the place, of the last turn among these."""
    for message in reversed(messages):
        place = message.content.payload.get(_TURN)
        if isinstance(place, Mapping):
            return place
    return None


def by_messages(flow_id: UUID, version: str, messages: Sequence[Message]) -> Place | None:
    """The place that the latest messages tell of."""
    place = told(messages)
    if place is None:
        return None
    return _made(place, flow_id=flow_id, version=version, sequence=messages[-1].sequence)


def by_copy(state: ExecutionState, user: str) -> Place | None:
    """The place that an execution state tells of, if it is of a conversation of the user's."""
    held = state.variables
    if held.get("user") != user or state.flow_id is None or state.flow_version is None:
        return None
    told = {"state": state.current_state, "slots": state.slots, **held}
    sequence = held.get("sequence")
    if not isinstance(sequence, int):
        return None
    return _made(told, flow_id=state.flow_id, version=state.flow_version, sequence=sequence)


def _made(
    told: Mapping[str, object], *, flow_id: UUID, version: str, sequence: int
) -> Place | None:
    state, slots, turn = told.get("state"), told.get("slots"), told.get("turn")
    if not (isinstance(state, str) and isinstance(slots, Mapping) and isinstance(turn, int)):
        return None
    return Place(
        flow_id=flow_id,
        version=version,
        state=state,
        slots={name: str(value) for name, value in slots.items()},
        turn=turn,
        sequence=sequence,
        ended=told.get("ended") is True,
    )


def copied(
    place: Place, conversation_id: str, user: str, stored: ExecutionState | None
) -> ExecutionState | Draft[ExecutionState]:
    """The execution state of a place: the next revision of the one that is stored, or a new one."""
    variables = JsonObject.of(
        {"user": user, "sequence": place.sequence, "turn": place.turn, "ended": place.ended}
    )
    if stored is None:
        return ExecutionState.draft(
            conversation_id,
            flow_id=place.flow_id,
            flow_version=place.version,
            current_state=place.state,
            slots=place.slots,
            variables=variables,
        )
    return attrs.evolve(
        stored.entered(place.state),
        flow_id=place.flow_id,
        flow_version=place.version,
        slots=JsonObject.of(place.slots),
        variables=variables,
        turn_count=place.turn,
    )
