"""Conversations: their statuses and states, what happened last, and which are listed."""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest

from domain.conversations import (
    CONVERSATION_LIFECYCLE,
    MAX_STATE_HISTORY,
    Conversation,
    ConversationClosedError,
    ConversationStatus,
    StateVisit,
)
from domain.errors import TransitionNotAllowedError, ValidationError
from ports.contracts.concurrency import ROUNDS, all_at_once, split
from ports.contracts.dialogues import CLOSED, begun, begun_in, say
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import ConflictError, EntityNotFoundError, RepositoryError
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
S = ConversationStatus


@pytest.mark.parametrize("target", ConversationStatus)
@pytest.mark.parametrize("status", ConversationStatus)
@contract
async def test_a_status_follows_the_table(
    backend: Backend, scope: TenantScope, status: ConversationStatus, target: ConversationStatus
) -> None:
    """Moves that it holds happen; others name both statuses and change nothing."""
    before = await begun_in(scope, status, status_reason="old")
    now = backend.clock.advance(minutes=1)
    call = scope.conversations.transition(before.id, target, reason="new")
    if status is target:
        expected = before
        assert exact(await call) == exact(before)
    elif CONVERSATION_LIFECYCLE.allows(status, target):
        expected = attrs.evolve(
            before,
            status=target,
            status_reason="new",
            completed_at=now if target.is_closed else None,
            updated_at=now,
            revision=2,
        )
        assert exact(await call) == exact(expected)
    else:
        expected = before
        with pytest.raises(TransitionNotAllowedError) as caught:
            await call
        assert (caught.value.current, caught.value.target) == (status, target)
    assert exact(await scope.conversations.require(before.id)) == exact(expected)


@contract
async def test_the_time_of_the_end_is_that_of_the_first_close(
    backend: Backend, scope: TenantScope
) -> None:
    """Archiving leaves it; the reason is that of the last move, None if it has none."""
    talk = await begun(scope)
    move = scope.conversations.transition
    await move(talk.id, "paused", reason="lunch")
    assert (await move(talk.id, S.ACTIVE)).status_reason is None
    ended_at = backend.clock.advance(minutes=5)
    ended = await move(talk.id, "completed", reason="solved")
    assert (ended.completed_at, ended.status_reason) == (ended_at, "solved")
    backend.clock.advance(days=30)
    archived = await move(talk.id, "archived", reason="old")
    assert (archived.completed_at, archived.status_reason) == (ended_at, "old")
    assert archived.revision == 5


@contract
async def test_a_move_that_can_not_be_is_refused(scope: TenantScope) -> None:
    """No status, a reason that is too long, a stale revision, no conversation; nothing changes."""
    talk = await begun(scope)
    await scope.conversations.patch(talk.id, summary="x")
    stored = await scope.conversations.require(talk.id)
    wrong: Any = None
    move = scope.conversations.transition
    for error in await raised_by_each(
        move(talk.id, "no such status"),
        move(talk.id, wrong),
        move(talk.id, "paused", reason="r" * 501),
        move(talk.id, "paused", reason="\x00"),
        move("", "paused"),
    ):
        assert isinstance(error, ValidationError)
    stale = await raised_by(move(talk.id, "paused", expected_revision=1))
    assert isinstance(stale, ConflictError)
    assert (stale.expected, stale.actual) == (1, 2)
    assert exact(await scope.conversations.require(talk.id)) == exact(stored)
    assert (await move(talk.id, "paused", expected_revision=2)).revision == 3


@contract
async def test_named_operations_say_if_there_is_no_conversation(backend: Backend) -> None:
    """Nobody's, or another tenant's, which stays as it is."""
    scope, other = backend.fresh(), backend.fresh()
    theirs = await begun(other)
    for id in (theirs.id, "nobody's"):
        for error in await raised_by_each(
            scope.conversations.transition(id, "completed"),
            scope.conversations.touch(id),
            scope.conversations.enter_state(id, "start"),
        ):
            assert isinstance(error, EntityNotFoundError)
            assert (error.entity_type, error.entity_id) == ("conversation", id)
    assert exact(await other.conversations.require(theirs.id)) == exact(theirs)


@contract
async def test_racing_moves_follow_each_other_as_the_table_says(backend: Backend) -> None:
    """Each is judged by what it found: those that won are a way through the table, no other."""
    targets = [S.PAUSED, S.COMPLETED, S.ESCALATED, S.ABANDONED, S.ERROR, S.TIMEOUT]
    for _ in range(ROUNDS):
        scopes = backend.rivals()
        talk = await begun(scopes[0])

        def act(
            number: int, scope: TenantScope, id: str = talk.id
        ) -> Coroutine[Any, Any, Conversation]:
            return scope.conversations.transition(id, targets[number], reason=targets[number])

        won, lost = split(await all_at_once(scopes, act, len(targets)))
        way = sorted(won, key=lambda conversation: conversation.revision)
        assert [one.revision for one in way] == list(range(2, 2 + len(way)))
        statuses = [S.ACTIVE, *(one.status for one in way)]
        for before, after in pairwise(statuses):
            assert CONVERSATION_LIFECYCLE.allows(before, after)
        for error in lost:
            assert isinstance(error, TransitionNotAllowedError)
            assert error.current in statuses
            assert not CONVERSATION_LIFECYCLE.allows(S(error.current), S(error.target))
        assert way
        assert exact(await scopes[1].conversations.require(talk.id)) == exact(way[-1])


@contract
async def test_of_moves_that_exclude_each_other_exactly_one_wins(backend: Backend) -> None:
    """The others are told what it had become."""
    targets = [S.COMPLETED, S.ABANDONED, S.TIMEOUT]
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    won, lost = split(
        await all_at_once(
            scopes, lambda n, scope: scope.conversations.transition(talk.id, targets[n]), 3
        )
    )
    assert len(won) == 1
    assert {getattr(error, "current", None) for error in lost} == {won[0].status}
    assert exact(await scopes[1].conversations.require(talk.id)) == exact(won[0])


@contract
async def test_a_touch_sets_what_happened_last(backend: Backend, scope: TenantScope) -> None:
    """Now, or at a time; neither the revision nor the time of the update is raised."""
    made = await begun(scope)
    now = backend.clock.advance(minutes=5)
    for time, expected in ((None, now), (now + HOUR, now + HOUR), (now, now + HOUR)):
        touched = await scope.conversations.touch(made.id, at=time)
        assert exact(touched) == exact(attrs.evolve(made, last_activity_at=expected))
        assert exact(await scope.conversations.require(made.id)) == exact(touched)
    assert (await scope.conversations.update(made)).last_activity_at == now + HOUR


@contract
async def test_a_time_that_is_none_does_not_touch(scope: TenantScope) -> None:
    """Without a zone, or no time at all."""
    made = await begun(scope)
    wrong: Any = "2024-02-29"
    for error in await raised_by_each(
        scope.conversations.touch(made.id, at=datetime(2024, 2, 29)),  # noqa: DTZ001  # refused
        scope.conversations.touch(made.id, at=wrong),
    ):
        assert isinstance(error, ValidationError)
        assert [fault.path for fault in error.faults] == ["at"]
    assert isinstance(await raised_by(scope.conversations.touch("")), ValidationError)
    assert exact(await scope.conversations.require(made.id)) == exact(made)


@contract
async def test_of_racing_touches_the_latest_time_stands(backend: Backend) -> None:
    """Whichever came last; messages said meanwhile count, too."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    start = talk.last_activity_at

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        time = start + HOUR * [3, 7, 1, 5][number % 4]
        if number < 4:
            return scope.conversations.touch(talk.id, at=time)
        return say(scope, talk, "x", at=time)

    _, lost = split(await all_at_once(scopes, act, 8))
    assert lost == []
    stored = await scopes[1].conversations.require(talk.id)
    assert stored.last_activity_at == start + 7 * HOUR
    assert (stored.last_sequence, stored.revision) == (4, 1)


@contract
async def test_entered_states_are_remembered(backend: Backend, scope: TenantScope) -> None:
    """With their times, in their order, the same one again too; the current one is the last."""
    talk = await begun(scope, current_state="start")
    visits: list[StateVisit] = []
    for revision, state in enumerate(("ask", "ask", "end"), 2):
        now = backend.clock.advance(seconds=1)
        entered = await scope.conversations.enter_state(talk.id, state)
        visits.append(StateVisit(state=state, at=now))
        assert exact(entered) == exact(
            attrs.evolve(
                talk,
                current_state=state,
                state_history=tuple(visits),
                updated_at=now,
                revision=revision,
            )
        )
        assert exact(await scope.conversations.require(talk.id)) == exact(entered)


@contract
async def test_a_hundred_states_are_remembered(backend: Backend, scope: TenantScope) -> None:
    """The oldest go first."""
    made = await begun(scope)
    visits = tuple(StateVisit(state=f"s{n}", at=TIME) for n in range(MAX_STATE_HISTORY))
    talk = await scope.conversations.update(attrs.evolve(made, state_history=visits))
    entered = await scope.conversations.enter_state(talk.id, "new")
    newest = StateVisit(state="new", at=backend.clock.kept)
    assert exact(entered.state_history) == exact((*visits[1:], newest))
    assert exact(await scope.conversations.require(talk.id)) == exact(entered)


@contract
async def test_states_entered_at_once_are_all_remembered(backend: Backend) -> None:
    """Each after what the one before it left."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    won, lost = split(
        await all_at_once(
            scopes, lambda n, scope: scope.conversations.enter_state(talk.id, f"s{n}"), 6
        )
    )
    assert (len(won), lost) == (6, [])
    stored = await scopes[1].conversations.require(talk.id)
    assert sorted(visit.state for visit in stored.state_history) == [f"s{n}" for n in range(6)]
    assert stored.current_state == stored.state_history[-1].state


@pytest.mark.parametrize("status", CLOSED)
@contract
async def test_no_state_is_entered_in_a_closed_conversation(
    scope: TenantScope, status: ConversationStatus
) -> None:
    """The error names its status; nothing is changed."""
    talk = await begun_in(scope, status)
    error = await raised_by(scope.conversations.enter_state(talk.id, "start"))
    assert isinstance(error, ConversationClosedError)
    assert error.status == status.value
    assert exact(await scope.conversations.require(talk.id)) == exact(talk)


@contract
async def test_a_state_that_can_not_be_is_refused(scope: TenantScope) -> None:
    """No name, or a stale revision."""
    talk = await begun(scope)
    wrong: list[Any] = ["", "s" * 256, "\x00", 3, None]
    for state in wrong:
        for error in await raised_by_each(
            scope.conversations.enter_state(talk.id, state),
            scope.conversations.enter_state("nobody's", state),
        ):
            assert isinstance(error, ValidationError)
            assert [fault.path for fault in error.faults] == ["state"]
    stale = await raised_by(scope.conversations.enter_state(talk.id, "s", expected_revision=2))
    assert isinstance(stale, ConflictError)
    assert exact(await scope.conversations.require(talk.id)) == exact(talk)


@contract
async def test_a_number_at_its_end_is_not_raised(scope: TenantScope) -> None:
    """A head that was restored so takes no further message or change, and stays as it is."""
    last = 2**63 - 1
    full = await begun(scope, "full")
    await scope.conversations.delete(full.id)
    heads = [
        attrs.evolve(full, id="long", last_sequence=last, message_count=1),
        attrs.evolve(full, id="old", revision=last),
    ]
    await scope.conversations.create_many(heads)
    for error in await raised_by_each(
        say(scope, heads[0], "one more"),
        scope.conversations.patch("old", summary="x"),
        scope.conversations.update_where({"id": "old"}, summary="x"),
        scope.conversations.modify("old", lambda talk: attrs.evolve(talk, summary="x")),
    ):
        assert type(error) is RepositoryError
    assert [exact(one) async for one in scope.conversations.stream()] == list(map(exact, heads))
    assert await scope.messages.count() == 0
