"""Execution contexts: drafts, bounded histories, and what a reset forgets."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from domain.contexts import MAX_INTENTS, MAX_PREVIOUS_STATES, ExecutionContext, RecognizedIntent
from domain.documents import EMPTY, JsonObject
from domain.errors import ValidationError
from domain.execution_marks import ExecutionMark
from domain.executions import ExecutionState
from domain.identity import TenantId, UserId
from tests.domain.values import AT

LATER = AT.replace(year=2027)


def context(**fields: Any) -> ExecutionContext:
    """A context at its beginning."""
    return ExecutionContext(
        **{
            "id": "talk",
            "tenant_id": TenantId("acme"),
            "user_id": UserId("ada"),
            "created_at": AT,
            "updated_at": AT,
            **fields,
        }
    )


def test_a_context_is_named_by_its_conversation() -> None:
    """A draft must say which; either name will do."""
    assert context().conversation_id == "talk"
    for draft in (
        ExecutionContext.draft("talk", user_id="ada"),
        ExecutionContext.draft(id="talk", user_id="ada"),
    ):
        assert draft.has_id
        made = draft.assigned(tenant=TenantId("acme"), new_id=None, at=LATER)
        assert (made.id, made.created_at, made.revision) == ("talk", LATER, 1)
    with pytest.raises(ValidationError, match="id: must be text"):
        ExecutionContext.draft(user_id="ada")
    with pytest.raises(ValidationError, match="id: isn't the conversation's"):
        ExecutionContext.draft("talk", id="other", user_id="ada")


def test_a_state_that_is_left_is_remembered() -> None:
    """The first one is left for nothing."""
    walked = context().entered("start").entered("ask").entered("ask")
    assert walked.current_state == "ask"
    assert walked.previous_states == ("start", "ask")


def test_previous_states_are_bounded() -> None:
    """The oldest go first."""
    walked = context()
    for n in range(MAX_PREVIOUS_STATES + 3):
        walked = walked.entered(f"s{n}")
    assert walked.previous_states == tuple(f"s{n}" for n in range(2, MAX_PREVIOUS_STATES + 2))
    with pytest.raises(ValidationError, match="previous_states: must have at most"):
        evolve(walked, previous_states=(*walked.previous_states, "one more"))


def test_intents_are_bounded() -> None:
    """The oldest go first, here too."""
    understood = context()
    for n in range(MAX_INTENTS + 3):
        understood = understood.understood(RecognizedIntent(intent=f"i{n}", at=AT))
    intents = [intent.intent for intent in understood.intent_history]
    assert intents == [f"i{n}" for n in range(3, MAX_INTENTS + 3)]


def test_a_reset_forgets_all_but_whose_it_is() -> None:
    """User, flow and profile stay; the reason and the time are new."""
    something = JsonObject.of({"a": 1})
    before = context(
        flow_id=UUID(int=7),
        current_state="ask",
        previous_states=("start",),
        slots=something,
        variables=something,
        user_profile=something,
        intent_history=(RecognizedIntent(intent="greet", at=AT),),
        integration_results=something,
        error_count=3,
        reset_reason="before",
        reset_at=AT,
    )
    assert before.reset(at=LATER, reason="again") == context(
        flow_id=UUID(int=7), user_profile=something, reset_reason="again", reset_at=LATER
    )
    assert before.reset(at=LATER).reset_reason is None
    assert before.slots == something


def test_a_draft_names_all_its_faulty_fields_at_once() -> None:
    """As a context does."""
    wrong: Any = "7"
    with pytest.raises(ValidationError) as caught:
        ExecutionContext.draft(
            "", user_id="", flow_id=wrong, current_state="", slots={"x": float("nan")}
        )
    paths = {fault.path.partition(".")[0] for fault in caught.value.faults}
    assert paths == {"id", "user_id", "flow_id", "current_state", "slots"}


def test_what_a_draft_leaves_out_is_empty() -> None:
    """No slots, no variables, no states."""
    made = ExecutionContext.draft("talk", user_id="ada").assigned(
        tenant=TenantId("acme"), new_id=None, at=AT
    )
    assert made == context()
    assert (made.slots, made.variables, made.error_count) == (EMPTY, EMPTY, 0)


def test_a_context_holds_an_execution_state_whole() -> None:
    """What it has no field for is in the mark; the revision is the asker's."""
    state = ExecutionState(
        id="talk",
        tenant_id=TenantId("acme"),
        flow_version="1.0",
        current_state="ask",
        previous_states=("start",),
        slots=JsonObject.of({"a": 1}),
        intent_stack=("order",),
        turn_count=3,
        error_count=2,
        retry_count=1,
        timings={"llm": 2.5},
        ttl=timedelta(minutes=5),
        created_at=AT,
        updated_at=AT + timedelta(minutes=1),
        revision=7,
    )
    mark = ExecutionMark.of(state, life=5, fence=3, fenced_until=AT)
    found = context().holding(state, mark)
    assert found.held(9) == evolve(state, revision=9)
    assert (mark.expires_at, mark.reached) == (state.expires_at, 7)
    assert evolve(mark, claimed=9).reached == 9
    assert context().held(1) is None


def test_a_reset_context_says_that_its_state_ended() -> None:
    """Nothing is restored from it."""
    state = ExecutionState.draft("talk").assigned(tenant=TenantId("acme"), new_id=None, at=AT)
    mark = ExecutionMark.of(state, life=1)
    reset = context().holding(state, mark).reset(at=AT)
    assert reset.execution == evolve(mark, ended=True)
    assert mark.ending().ending().ended


def test_a_context_that_outgrew_a_state_holds_none() -> None:
    """More than a state may have is refused, naming the field; more states than it remembers are
    left out, the oldest first.
    """
    state = ExecutionState.draft("talk").assigned(tenant=TenantId("acme"), new_id=None, at=AT)
    holding = context().holding(state, ExecutionMark.of(state, life=1))
    walked = evolve(holding, previous_states=tuple(f"s{n}" for n in range(60)))
    found = walked.held(1)
    assert found is not None
    assert found.previous_states[0] == "s10"
    large = evolve(holding, slots=JsonObject.of({"a": "x" * 300_000}))
    with pytest.raises(ValidationError, match="slots"):
        large.held(1)
