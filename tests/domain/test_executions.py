"""Execution states: drafts, bounded memories, and what is counted."""

from datetime import timedelta
from typing import Any

import pytest

from domain.documents import JsonObject
from domain.errors import ValidationError
from domain.executions import (
    LONGEST_TTL,
    MAX_INTENTS,
    MAX_PREVIOUS_STATES,
    MAX_TIMINGS,
    ExecutionState,
)
from domain.identity import TenantId
from tests.domain.values import AT


def state(**fields: Any) -> ExecutionState:
    """A state at its beginning."""
    return ExecutionState(
        **{
            "id": "talk",
            "tenant_id": TenantId("acme"),
            "created_at": AT,
            "updated_at": AT,
            **fields,
        }
    )


def test_a_draft_is_named_by_its_conversation() -> None:
    """And lives for a day, unless told."""
    draft = ExecutionState.draft("talk", slots={"a": 1})
    assert draft.has_id
    made = draft.assigned(tenant=TenantId("acme"), new_id=None, at=AT)
    assert (made.conversation_id, made.revision, made.updated_at) == ("talk", 1, AT)
    assert (made.expires_at, made.last_activity_at) == (AT + timedelta(days=1), AT)
    with pytest.raises(ValidationError, match="id: must"):
        ExecutionState.draft("")


def test_states_that_are_left_are_remembered() -> None:
    """The last fifty; the first one is left for nothing, and retries begin anew."""
    walked = state(retry_count=3)
    for n in range(MAX_PREVIOUS_STATES + 3):
        walked = walked.entered(f"s{n}")
    assert walked.current_state == f"s{MAX_PREVIOUS_STATES + 2}"
    assert walked.previous_states == tuple(f"s{n}" for n in range(2, MAX_PREVIOUS_STATES + 2))
    assert walked.retry_count == 0


def test_intents_are_set_aside_and_resumed() -> None:
    """The last one first; of more than ten, the oldest are forgotten."""
    busy = state()
    for n in range(MAX_INTENTS + 2):
        busy = busy.setting_aside(f"i{n}")
    assert busy.intent_stack == tuple(f"i{n}" for n in range(2, MAX_INTENTS + 2))
    assert busy.resuming().intent_stack == busy.intent_stack[:-1]
    assert state().resuming() == state()


def test_slots_and_variables_are_set_key_by_key() -> None:
    """The others stay, and None is a value."""
    made = state(slots={"kept": 1, "set": 1})
    changed = made.with_slots({"set": None}).with_variables({"a.b": [1]})
    assert changed.slots == {"kept": 1, "set": None}
    assert isinstance(changed.slots, JsonObject)
    assert changed.variables == {"a.b": [1]}
    with pytest.raises(ValidationError, match="slots"):
        made.with_slots([1])  # type: ignore[arg-type]  # what is tried
    with pytest.raises(ValidationError, match="variables"):
        made.with_variables({"n": float("nan")})


def test_turns_errors_and_retries_are_counted() -> None:
    """Each by one."""
    worn = state().took_turn().took_turn().failed().failed(retried=True)
    assert (worn.turn_count, worn.error_count, worn.retry_count) == (2, 2, 1)


def test_timings_are_added_up_by_name() -> None:
    """In milliseconds; there are at most fifty, and none is negative."""
    timed = state().timed("nlu", 3).timed("nlu", 0.5).timed("api", 1)
    assert timed.timings == {"nlu": 3.5, "api": 1.0}
    for taken in (-1, float("nan"), True, "1"):
        with pytest.raises(ValidationError, match=r"timings\.nlu"):
            state().timed("nlu", taken)  # type: ignore[arg-type]  # what is tried
    with pytest.raises(ValidationError, match="at most 50"):
        state(timings={f"{n}": 1 for n in range(MAX_TIMINGS + 1)})


@pytest.mark.parametrize(
    "ttl",
    [
        timedelta(0),
        timedelta(seconds=-1),
        timedelta(milliseconds=999),
        timedelta(seconds=1, microseconds=1),
        LONGEST_TTL + timedelta(milliseconds=1),
        1,
        1.0,
        True,
        None,
        float("nan"),
    ],
    ids=str,
)
def test_a_time_to_live_is_a_duration_within_bounds(ttl: object) -> None:
    """Nothing else is taken for one, and none for "for ever"."""
    with pytest.raises(ValidationError, match="ttl: must"):
        state(ttl=ttl)
