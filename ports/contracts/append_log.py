"""Logs: what is appended, in which order, and what is refused; on messages."""

from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

import attrs
import pytest

from domain.conversations import (
    OPEN_STATUSES,
    Conversation,
    ConversationClosedError,
    ConversationStatus,
)
from domain.errors import ValidationError
from domain.messages import Message
from ports.contracts.dialogues import (
    CLOSED,
    begun,
    begun_in,
    gap_free,
    log_of,
    numbers,
    said,
    say,
    texts,
)
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
)
from ports.stores import TenantScope


@contract
async def test_entries_are_numbered_from_one_without_gaps(backend: Backend) -> None:
    """One by one or many at once, from any instance, in the order in which they were given."""
    here, there = backend.rivals()
    talk = await begun(here)
    first = await say(here, talk, "a", "b", "c")
    second = await say(there, talk, "d")
    third = await say(here, talk, "e", "f")
    appended = [*first, *second, *third]
    assert numbers(appended) == [1, 2, 3, 4, 5, 6]
    assert texts(appended) == ["a", "b", "c", "d", "e", "f"]
    assert len({message.id for message in appended}) == 6
    assert exact(await log_of(there, talk)) == exact(appended)


@contract
async def test_every_log_is_numbered_by_itself(scope: TenantScope) -> None:
    """What is appended to one leaves the others as they are."""
    one, two = await begun(scope), await begun(scope)
    await say(scope, one, "a", "b")
    assert numbers(await say(scope, two, "x")) == [1]
    assert numbers(await say(scope, one, "c")) == [3]
    assert texts(await log_of(scope, two)) == ["x"]
    assert (await scope.conversations.require(two.id)).last_sequence == 1


@contract
async def test_a_thousand_entries_are_appended_at_once(scope: TenantScope) -> None:
    """In their order; all of them are there."""
    talk = await begun(scope)
    appended = await say(scope, talk, *(f"{n}" for n in range(1_000)))
    assert gap_free(appended)
    assert texts(await log_of(scope, talk)) == [f"{n}" for n in range(1_000)]


@contract
async def test_an_append_raises_the_head_and_nothing_else(
    backend: Backend, scope: TenantScope
) -> None:
    """Last sequence, count and last activity; neither the revision nor the time of the update."""
    made = await begun(scope)
    for count, texts_said in ((1, ["a"]), (4, ["b", "c", "d"])):
        now = backend.clock.advance(minutes=1)
        await say(scope, made, *texts_said)
        stored = await scope.conversations.require(made.id)
        assert exact(stored) == exact(
            attrs.evolve(made, last_sequence=count, message_count=count, last_activity_at=now)
        )


@contract
async def test_the_last_activity_is_the_latest_time_and_never_goes_back(
    backend: Backend, scope: TenantScope
) -> None:
    """Of what is appended, in whatever order; an older message doesn't lower it."""
    made = await begun(scope)
    start = made.last_activity_at

    async def activity_after(*hours: int) -> timedelta:
        times = [start + timedelta(hours=offset) for offset in hours]
        await scope.messages.append(made.id, [Message.draft("x", at=time) for time in times])
        return (await scope.conversations.require(made.id)).last_activity_at - start

    assert await activity_after(-5) == timedelta()
    assert await activity_after(-1, 3, 2) == timedelta(hours=3)
    assert await activity_after(1) == timedelta(hours=3)
    backend.clock.advance(hours=4)
    await say(scope, made, "now")
    stored = await scope.conversations.require(made.id)
    assert stored.last_activity_at == backend.clock.kept


@contract
async def test_an_edit_and_an_append_do_not_hinder_each_other(scope: TenantScope) -> None:
    """An update from before the append is no stale one, and leaves the head as it stands."""
    made = await begun(scope)
    await say(scope, made, "a", "b")
    updated = await scope.conversations.update(attrs.evolve(made, summary="about a"))
    assert (updated.revision, updated.summary) == (2, "about a")
    assert (updated.last_sequence, updated.message_count) == (2, 2)
    assert numbers(await say(scope, made, "c")) == [3]
    patched = await scope.conversations.patch(made.id, 2, summary=None)
    assert (patched.last_sequence, patched.message_count) == (3, 3)


@contract
async def test_an_expected_sequence_must_be_where_the_log_ends(scope: TenantScope) -> None:
    """0 for an empty one; otherwise the error says where it does, and nothing is appended."""
    talk = await begun(scope)
    append = scope.messages.append

    async def refused(expected: int, actual: int) -> None:
        error = await raised_by(append(talk.id, said("no"), expected_sequence=expected))
        assert isinstance(error, SequenceConflictError)
        assert (error.entity_type, error.entity_id) == ("conversation", talk.id)
        assert (error.expected, error.actual) == (expected, actual)

    await refused(1, 0)
    assert numbers(await append(talk.id, said("a", "b"), expected_sequence=0)) == [1, 2]
    for expected in (0, 1, 3, 2**63 - 1):
        await refused(expected, 2)
    assert numbers(await append(talk.id, said("c"), expected_sequence=2)) == [3]
    assert texts(await log_of(scope, talk)) == ["a", "b", "c"]


@pytest.mark.parametrize("status", OPEN_STATUSES)
@contract
async def test_an_open_conversation_takes_messages(
    scope: TenantScope, status: ConversationStatus
) -> None:
    """Also while it is paused, escalated or in error; its status stays."""
    talk = await begun_in(scope, status)
    assert numbers(await say(scope, talk, "a")) == [1]
    assert (await scope.conversations.require(talk.id)).status is status


@pytest.mark.parametrize("status", CLOSED)
@contract
async def test_a_closed_conversation_takes_no_messages(
    scope: TenantScope, status: ConversationStatus
) -> None:
    """The error names its status; nothing is appended, and the head stays."""
    talk = await begun_in(scope, status)
    error = await raised_by(say(scope, talk, "a"))
    assert isinstance(error, ConversationClosedError)
    assert error.status == status.value
    assert await log_of(scope, talk) == []
    assert exact(await scope.conversations.require(talk.id)) == exact(talk)


@contract
async def test_a_conversation_that_goes_on_takes_messages_again(scope: TenantScope) -> None:
    """Its numbers go on where they were."""
    talk = await begun(scope)
    await say(scope, talk, "a")
    await scope.conversations.transition(talk.id, "paused")
    await say(scope, talk, "b")
    await scope.conversations.transition(talk.id, "active")
    assert numbers(await say(scope, talk, "c")) == [3]


@contract
async def test_a_log_without_owner_takes_nothing(backend: Backend, scope: TenantScope) -> None:
    """Neither of a conversation that there isn't nor of another tenant's."""
    theirs = await begun(backend.fresh())
    for id in ("no such conversation", theirs.id):
        error = await raised_by(scope.messages.append(id, said("a")))
        assert isinstance(error, EntityNotFoundError)
        assert (error.entity_type, error.entity_id) == ("conversation", id)
    assert await scope.messages.count() == 0


BAD_APPENDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "no drafts": ([], {}),
    "1001 drafts": (said(*["x"] * 1_001), {}),
    "text": (["hello"], {}),
    "None": ([None], {}),
    "a draft of something else": ([Conversation.draft(user_id="ada")], {}),
    "one that is no draft among others": ([*said("a"), {"text": "b"}], {}),
    "an empty key": (said("a"), {"idempotency_key": ""}),
    "a key of 256 characters": (said("a"), {"idempotency_key": "k" * 256}),
    "a control character": (said("a"), {"idempotency_key": "k\n"}),
    "NUL": (said("a"), {"idempotency_key": "\x00"}),
    "a lone surrogate": (said("a"), {"idempotency_key": "\ud83d"}),
    "a number for a key": (said("a"), {"idempotency_key": 1}),
    "a negative number": (said("a"), {"expected_sequence": -1}),
    "True": (said("a"), {"expected_sequence": True}),
    "a float": (said("a"), {"expected_sequence": 0.0}),
    "text for a number": (said("a"), {"expected_sequence": "0"}),
    "2^63": (said("a"), {"expected_sequence": 2**63}),
}


@pytest.mark.parametrize("case", BAD_APPENDS)
@contract
async def test_an_append_that_can_not_be_is_refused(scope: TenantScope, case: str) -> None:
    """As a value, before anything is asked; nothing is appended."""
    talk = await begun(scope)
    drafts, named = BAD_APPENDS[case]
    error = await raised_by(scope.messages.append(talk.id, drafts, **named))
    assert isinstance(error, ValidationError)
    assert not isinstance(error, ConversationClosedError)
    assert exact(await scope.conversations.require(talk.id)) == exact(talk)
    assert await scope.messages.count() == 0


@contract
async def test_a_log_is_named_by_an_id(scope: TenantScope) -> None:
    """What can't be one is refused, wherever a log is named."""
    for wrong in ("", "x" * 129, "a\n", "\x00", "\ud83d", None, 1, b"a"):
        candidate: Any = wrong
        for error in await raised_by_each(
            scope.messages.append(candidate, said("a")),
            scope.messages.history(candidate),
            scope.messages.latest(candidate),
        ):
            assert isinstance(error, ValidationError), wrong


@contract
async def test_a_stored_message_is_no_draft(scope: TenantScope) -> None:
    """It is not appended a second time."""
    talk, other = await begun(scope), await begun(scope)
    whole: Any = list(await say(scope, other, "whole"))
    assert isinstance(await raised_by(scope.messages.append(talk.id, whole)), ValidationError)
    assert await log_of(scope, talk) == []


@contract
async def test_a_chosen_id_is_kept(scope: TenantScope) -> None:
    """And the time, which may be any; the place is still that of the append."""
    talk = await begun(scope)
    time = datetime(2001, 2, 3, 4, 5, 6, 789_999, tzinfo=UTC)
    drafts = [*said("a"), Message.draft("b", id="chosen", at=time), *said("c")]
    appended = await scope.messages.append(talk.id, drafts)
    assert (appended[1].id, appended[1].at) == ("chosen", time.replace(microsecond=789_000))
    assert gap_free(appended)
    assert exact(await scope.messages.require("chosen")) == exact(appended[1])


@pytest.mark.parametrize("place", ["same log", "another log", "same append"])
@contract
async def test_a_taken_id_is_refused_and_loses_no_number(scope: TenantScope, place: str) -> None:
    """In the tenant, whichever log it is in: nothing is appended, and the next one follows on."""
    talk, other = await begun(scope), await begun(scope)
    await say(scope, talk, "a")
    drafts = [*said("b"), Message.draft("c", id="taken"), *said("d")]
    if place == "same append":
        drafts.append(Message.draft("e", id="taken"))
    else:
        await say(scope, talk if place == "same log" else other, "x", id="taken")
    before = await log_of(scope, talk)
    head = await scope.conversations.require(talk.id)
    error = await raised_by(scope.messages.append(talk.id, drafts))
    assert isinstance(error, DuplicateEntityError)
    assert (error.entity_type, error.key) == ("message", ("id",))
    assert exact(await log_of(scope, talk)) == exact(before)
    assert exact(await scope.conversations.require(talk.id)) == exact(head)
    assert numbers(await say(scope, talk, "next")) == [head.last_sequence + 1]


@contract
async def test_another_tenant_may_choose_the_same_ids(backend: Backend) -> None:
    """Of conversations and of messages; each reads its own."""
    one, two = backend.fresh(), backend.fresh()
    for scope in (one, two):
        talk = await begun(scope, "same")
        await say(scope, talk, scope.tenant, id="same too")
    for scope in (one, two):
        assert (await scope.messages.require("same too")).text == scope.tenant
        assert await scope.messages.count() == 1


@contract
async def test_what_is_no_list_of_drafts_is_refused(scope: TenantScope) -> None:
    """A draft by itself, or nothing; one that never ends is read no further than it may go."""
    talk = await begun(scope)
    wrong: list[Any] = [Message.draft("x"), None, "x", repeat(Message.draft("x"))]
    for drafts in wrong:
        error = await raised_by(scope.messages.append(talk.id, drafts))
        assert isinstance(error, ValidationError)
    assert await log_of(scope, talk) == []


@contract
async def test_of_several_faults_the_first_is_named(scope: TenantScope) -> None:
    """Bad values, a reused key, no owner, a closed one, the wrong end, a taken id."""
    talk = await begun(scope)
    append = scope.messages.append
    await append(talk.id, said("kept", id="taken"), idempotency_key="used")
    await scope.conversations.transition(talk.id, "completed")
    taken: dict[str, Any] = {"drafts": said("x", id="taken")}
    wrong_end = {**taken, "expected_sequence": 7}
    reused = {**wrong_end, "idempotency_key": "used"}
    too_many = {**reused, "drafts": said("x", id="taken") * 1_001}
    bad = await raised_by(append(talk.id, **too_many))
    assert isinstance(bad, ValidationError)
    assert not isinstance(bad, ConversationClosedError)
    found = await raised_by_each(
        append(talk.id, **reused),
        append("nobody's", **reused),
        append(talk.id, **wrong_end),
        append(talk.id, **taken),
    )
    assert [type(error) for error in found] == [
        IdempotencyKeyReusedError,
        EntityNotFoundError,
        ConversationClosedError,
        ConversationClosedError,
    ]
    still_open = await begun(scope)
    found = await raised_by_each(append(still_open.id, **wrong_end), append(still_open.id, **taken))
    assert [type(error) for error in found] == [SequenceConflictError, DuplicateEntityError]
    assert await scope.messages.count() == 1
