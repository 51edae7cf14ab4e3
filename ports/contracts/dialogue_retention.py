"""Retention of conversations: those that ended long ago go, and what is held stays."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from domain.conversations import Conversation, ConversationStatus
from domain.errors import ValidationError
from domain.retention import Swept
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.conversation_ends import maintenance, nothing_left, with_all
from ports.contracts.dialogues import CLOSED, begun, begun_in
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import EntityNotFoundError, InvalidQueryError, UnsupportedOperationError
from ports.stores import DialogueMaintenance, TenantScope

END = datetime(1, 3, 1, tzinfo=UTC)
"""Before anything in a store that is used, for what looks at every tenant."""
LATER = datetime(9000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOUND = END + 100 * HOUR


async def emptied(backend: Backend) -> DialogueMaintenance:
    """Maintenance, on the second instance, of a store in which nothing else is due."""
    kept = maintenance(backend, 1)
    await kept.purge_expired(BOUND)
    await kept.purge_ended(BOUND)
    await kept.close_idle(BOUND)
    return kept


async def ended(scope: TenantScope, *hours: float, **fields: Any) -> list[Conversation]:
    """Conversations that were completed so many hours after `END`."""
    made = await begun(scope)
    await scope.conversations.delete(made.id)
    standing = {"status": ConversationStatus.COMPLETED, **fields}
    return list(
        await scope.conversations.create_many(
            [
                attrs.evolve(made, id=f"{n}", completed_at=END + hour * HOUR, **standing)
                for n, hour in enumerate(hours)
            ]
        )
    )


async def left(scope: TenantScope) -> list[str]:
    """The ids of the tenant's conversations."""
    return [talk.id async for talk in scope.conversations.stream()]


@pytest.mark.parametrize("status", CLOSED)
@contract
async def test_conversations_that_ended_are_purged_of_every_tenant(
    backend: Backend, status: ConversationStatus
) -> None:
    """However they ended; not those that ended at the bound itself, or later."""
    kept = await emptied(backend)
    scopes = [backend.fresh() for _ in range(2)]
    for scope in scopes:
        await ended(scope, 1, 2, 3, status=status)
    assert await kept.due(Swept.ENDED_CONVERSATIONS, END + 2 * HOUR) == 2
    assert await kept.purge_ended(END + 2 * HOUR) == 2
    assert await kept.purge_ended(END + 2 * HOUR) == 0
    for scope in scopes:
        assert await left(scope) == ["1", "2"]
    assert await kept.purge_ended(END + 2 * HOUR + timedelta(milliseconds=1)) == 2
    assert await kept.purge_ended(BOUND) == 2


@contract
async def test_what_belongs_to_one_that_ended_goes_with_it(backend: Backend) -> None:
    """Messages, keys and context; others keep theirs."""
    kept = await emptied(backend)
    scope = backend.fresh()
    await with_all(scope, "gone")
    await with_all(scope, "kept")
    now = backend.clock.now()
    try:
        backend.clock.set(END)
        await scope.conversations.transition("gone", "abandoned")
    finally:
        backend.clock.set(now)
    assert await kept.purge_ended(BOUND) == 1
    assert await nothing_left(scope, "gone")
    assert await scope.messages.count({"conversation_id": "kept"}) == 2
    assert await scope.contexts.get("kept") is not None


@contract
async def test_what_has_a_time_of_its_own_is_left_to_it(backend: Backend) -> None:
    """A hold, far ahead, and a time that has passed: how long ago it ended matters to neither."""
    kept = await emptied(backend)
    held, passed = backend.fresh(), backend.fresh()
    await ended(held, 1, retain_until=LATER)
    await ended(passed, 1, retain_until=END)
    assert await kept.due(Swept.ENDED_CONVERSATIONS, BOUND) == 0
    assert await kept.purge_ended(BOUND) == 0
    assert await kept.due(Swept.EXPIRED_CONVERSATIONS, END) == 1
    assert await kept.purge_expired(END) == 1
    assert (await left(held), await left(passed)) == (["0"], [])
    await held.conversations.patch("0", retain_until=None)
    assert await kept.purge_ended(BOUND) == 1


@contract
async def test_what_has_not_ended_stays(backend: Backend) -> None:
    """However long ago it began; nor does one go that is closed and doesn't say since when."""
    kept = await emptied(backend)
    scope = backend.fresh()
    for status in ConversationStatus:
        await begun_in(scope, status, started_at=END, last_activity_at=END, completed_at=None)
    before = await left(scope)
    assert await kept.purge_ended(BOUND) == 0
    assert await left(scope) == before
    assert await kept.due(Swept.IDLE_CONVERSATIONS, BOUND) == 1
    assert await kept.due(Swept.IDLE_CONVERSATIONS, END) == 0
    assert await kept.close_idle(BOUND) == 1


@contract
async def test_those_that_ended_first_are_purged_first(backend: Backend) -> None:
    """Whichever tenant they are of; as many as asked, then the rest, in batches."""
    kept = await emptied(backend)
    scopes = [backend.fresh() for _ in range(2)]
    await ended(scopes[0], 1, 4)
    await ended(scopes[1], 3, 2)
    assert await kept.purge_ended(BOUND, limit=2) == 2
    assert [await left(scope) for scope in scopes] == [["1"], ["0"]]
    many = backend.fresh()
    await ended(many, *(n / 10 for n in range(240)))
    assert await kept.purge_ended(BOUND, limit=110) == 110
    assert await kept.purge_ended(BOUND) == 132
    assert await left(many) == []


@contract
async def test_one_that_is_held_meanwhile_is_not_purged(backend: Backend) -> None:
    """Whoever gives it a time of its own before it is gone keeps it; afterwards it isn't there."""
    await emptied(backend)
    scopes = backend.rivals()
    await ended(scopes[0], *range(6))

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number in (2, 5):
            return maintenance(backend, number % 2).purge_ended(BOUND)
        id = f"{number - (number > 2) - (number > 5)}"
        return scope.conversations.patch(id, retain_until=LATER)

    results = await all_at_once(scopes, act, 8)
    purged = results.pop(5) + results.pop(2)
    for n, result in enumerate(results):
        kept = isinstance(result, Conversation)
        assert kept or isinstance(result, EntityNotFoundError), result
        assert await scopes[1].conversations.exists(f"{n}") is kept
    assert purged == len([one for one in results if not isinstance(one, Conversation)])


@contract
async def test_two_that_purge_at_once_count_each_conversation_once(backend: Backend) -> None:
    """What they return adds up."""
    await emptied(backend)
    scopes = backend.rivals()
    await ended(scopes[0], *(n / 10 for n in range(150)))
    won, lost = split(
        await all_at_once(
            scopes, lambda n, scope: maintenance(backend, n % 2).purge_ended(BOUND), 4
        )
    )
    assert (sum(won), lost) == (150, [])
    assert await left(scopes[1]) == []


@contract
async def test_a_purge_that_was_interrupted_goes_on(backend: Backend) -> None:
    """Wherever that was: what went is gone whole, and the rest goes the next time."""
    kept = await emptied(backend)
    scope = backend.fresh()
    await ended(scope, *range(30))
    for turns in (1, 2, 3, 5, 8, 13):
        purging = asyncio.ensure_future(kept.purge_ended(BOUND, limit=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
    remaining = len(await left(scope))
    assert await kept.purge_ended(BOUND) == remaining
    assert await left(scope) == []


@contract
async def test_what_is_due_is_what_a_purge_finds(backend: Backend) -> None:
    """Counting changes nothing; what a store holds nothing of it can't count."""
    kept = await emptied(backend)
    scope = backend.fresh()
    await ended(scope, 1, 2, 3)
    for _ in range(2):
        assert await kept.due(Swept.ENDED_CONVERSATIONS, END + 3 * HOUR) == 2
    error = await raised_by(kept.due(Swept.AUDIT_ENTRIES, BOUND))
    assert isinstance(error, UnsupportedOperationError)
    wrong: Any = "2024-02-29"
    for times in (kept.due(Swept.ENDED_CONVERSATIONS, wrong), kept.purge_ended(wrong)):
        assert isinstance(await raised_by(times), ValidationError)
    limits: list[Any] = [0, -1, True, 1.0, "1"]
    for limit in limits:
        assert isinstance(await raised_by(kept.purge_ended(BOUND, limit=limit)), InvalidQueryError)
    assert await left(scope) == ["0", "1", "2"]
