"""Conversations: drafts, the table of their statuses, the states that they went through."""

import pickle
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve

from domain.conversations import (
    CONVERSATION_LIFECYCLE,
    MAX_STATE_HISTORY,
    OPEN_STATUSES,
    Channel,
    Conversation,
    ConversationClosedError,
    ConversationStatus,
    StateVisit,
)
from domain.errors import TransitionNotAllowedError, ValidationError
from domain.identity import TenantId, UserId
from tests.domain.values import AT

LATER = AT + timedelta(hours=1)
S = ConversationStatus
ALLOWED = {
    ("active", "completed"),
    ("active", "abandoned"),
    ("active", "escalated"),
    ("active", "paused"),
    ("active", "timeout"),
    ("active", "error"),
    ("paused", "active"),
    ("paused", "completed"),
    ("paused", "abandoned"),
    ("escalated", "active"),
    ("escalated", "completed"),
    ("escalated", "abandoned"),
    ("error", "active"),
    ("error", "abandoned"),
    ("completed", "archived"),
    ("abandoned", "archived"),
    ("timeout", "archived"),
}
CLOSED = {"completed", "abandoned", "timeout", "archived"}


def conversation(status: ConversationStatus = S.ACTIVE, /, **fields: Any) -> Conversation:
    """A conversation in that status."""
    return Conversation(
        **{
            "id": "talk",
            "tenant_id": TenantId("acme"),
            "user_id": UserId("ada"),
            "status": status,
            "started_at": AT,
            "last_activity_at": AT,
            "created_at": AT,
            "updated_at": AT,
            **fields,
        }
    )


@pytest.mark.parametrize(("current", "target"), list(product(S, repeat=2)))
def test_a_status_follows_only_where_the_table_says_so(
    current: ConversationStatus, target: ConversationStatus
) -> None:
    """All sixty-four pairs; staying is always allowed, and what is closed is never opened."""
    before = conversation(current)
    if current is target or (current.value, target.value) in ALLOWED:
        assert before.moved_to(target, at=LATER).status is target
    else:
        with pytest.raises(TransitionNotAllowedError) as caught:
            before.moved_to(target, at=LATER)
        assert (caught.value.current, caught.value.target) == (current, target)


def test_every_status_is_in_the_table_and_open_or_closed() -> None:
    """Closed are those that lead to an end alone."""
    assert set(CONVERSATION_LIFECYCLE.table) == set(S)
    assert {status.value for status in S if status.is_closed} == CLOSED
    assert {status.value for status in OPEN_STATUSES} == {s.value for s in S} - CLOSED


@pytest.mark.parametrize("target", [S.COMPLETED, S.ABANDONED, S.TIMEOUT])
def test_an_end_has_its_time_and_reason(target: ConversationStatus) -> None:
    """Nothing else changes."""
    before = conversation()
    moved = before.moved_to(target, at=LATER, reason="why")
    assert moved == evolve(before, status=target, status_reason="why", completed_at=LATER)


def test_archiving_keeps_the_time_of_the_end() -> None:
    """If there was one; otherwise it ends then."""
    ended = conversation(S.COMPLETED, completed_at=AT)
    assert ended.moved_to(S.ARCHIVED, at=LATER).completed_at == AT
    assert conversation(S.COMPLETED).moved_to(S.ARCHIVED, at=LATER).completed_at == LATER


def test_a_move_without_a_reason_has_none() -> None:
    """That of the last one doesn't stay."""
    paused = conversation().moved_to(S.PAUSED, at=AT, reason="lunch")
    assert paused.moved_to(S.ACTIVE, at=LATER).status_reason is None


def test_a_status_may_be_named_by_its_text() -> None:
    """As it is in a draft; one that isn't a status is refused."""
    assert conversation().moved_to("completed", at=AT) == conversation().moved_to(
        S.COMPLETED, at=AT
    )
    with pytest.raises(ValidationError, match="status: must be one of"):
        conversation().moved_to("finished", at=AT)
    with pytest.raises(TransitionNotAllowedError, match="'archived'"):
        conversation().moved_to("archived", at=AT)


def test_an_open_conversation_has_no_end() -> None:
    """Its time of completion is refused."""
    for status in OPEN_STATUSES:
        with pytest.raises(ValidationError, match="completed_at: is set"):
            conversation(status, completed_at=AT)


def test_a_variant_is_of_an_experiment() -> None:
    """Alone it means nothing."""
    with pytest.raises(ValidationError, match="variant: belongs to an experiment"):
        conversation(variant="b")
    assert conversation(variant="b", experiment_id=uuid4()).variant == "b"


def test_entered_states_are_added_to_the_history() -> None:
    """The current one is the last; staying in one is a visit more."""
    walked = conversation(current_state="start").entered("ask", at=AT).entered("ask", at=LATER)
    assert walked.current_state == "ask"
    assert walked.state_history == (
        StateVisit(state="ask", at=AT),
        StateVisit(state="ask", at=LATER),
    )


def test_the_history_is_bounded() -> None:
    """The oldest visits go first; a longer one is refused."""
    walked = conversation()
    for n in range(MAX_STATE_HISTORY + 3):
        walked = walked.entered(f"s{n}", at=AT)
    expected = [f"s{n}" for n in range(3, MAX_STATE_HISTORY + 3)]
    assert [visit.state for visit in walked.state_history] == expected
    visit = StateVisit(state="one more", at=AT)
    with pytest.raises(ValidationError, match="state_history: must have at most 100 items"):
        evolve(walked, state_history=(*walked.state_history, visit))


@pytest.mark.parametrize("status", [status for status in S if status.is_closed])
def test_no_state_is_entered_when_it_is_closed(status: ConversationStatus) -> None:
    """The error says in which status it is."""
    with pytest.raises(ConversationClosedError, match=f"'{status.value}'") as caught:
        conversation(status).entered("ask", at=AT)
    assert caught.value.status == status.value


def test_the_error_of_a_closed_conversation_can_be_pickled() -> None:
    """With what it says, as it goes between processes."""
    error = ConversationClosedError("completed")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.status, str(copy)) == (type(error), "completed", str(error))


def test_a_draft_starts_when_it_is_created() -> None:
    """Its last activity, too; unless the caller says when."""
    now = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    made = Conversation.draft(user_id="ada").assigned(
        tenant=TenantId("acme"), new_id="minted", at=now
    )
    kept = now.replace(microsecond=678_000)
    assert (made.id, made.started_at, made.last_activity_at) == ("minted", kept, kept)
    assert (made.status, made.channel, made.revision) == (S.ACTIVE, Channel.WEB, 1)
    chosen = Conversation.draft(user_id="ada", id="chosen", started_at=AT).assigned(
        tenant=TenantId("acme"), new_id=None, at=now
    )
    assert (chosen.id, chosen.started_at, chosen.last_activity_at) == ("chosen", AT, AT)
    assert chosen.created_at == kept


def test_a_draft_names_all_its_faulty_fields_at_once() -> None:
    """As a conversation does."""
    with pytest.raises(ValidationError) as caught:
        Conversation.draft(
            user_id="", channel="pigeon", session_id="a\n", tags=["x"] * 51, summary="s" * 4_001
        )
    assert {fault.path for fault in caught.value.faults} == {
        "user_id",
        "channel",
        "session_id",
        "tags",
        "summary",
    }


@pytest.mark.parametrize(
    ("field", "longest"),
    [("id", 128), ("user_id", 256), ("summary", 4_000), ("current_state", 255)],
)
def test_texts_keep_within_their_limits(field: str, longest: int) -> None:
    """At the limit admitted, beyond it refused."""
    assert getattr(conversation(**{field: "x" * longest}), field) == "x" * longest
    with pytest.raises(ValidationError, match=f"Conversation: {field}: must have"):
        conversation(**{field: "x" * (longest + 1)})


@pytest.mark.parametrize("size", ["channel_metadata", "metrics"])
def test_documents_beside_the_business_context_are_small(size: str) -> None:
    """Sixty-four KiB each; the context may have a MiB."""
    large = {"text": "x" * 70_000}
    with pytest.raises(ValidationError, match=size):
        conversation(**{size: large})
    assert conversation(business_context=large).business_context["text"] == large["text"]
