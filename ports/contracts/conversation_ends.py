"""How conversations end: closed for idleness, deleted, purged when their time has come, erased."""

from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from domain.contexts import ExecutionContext
from domain.conversations import Conversation, ConversationClosedError, ConversationStatus
from domain.errors import ValidationError
from ports.capabilities import Capability
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.dialogues import Holder, begun, begun_in, log_of, numbers, said, say
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import ConflictError, EntityNotFoundError, InvalidQueryError
from ports.stores import DialogueMaintenance, TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG_AGO = datetime(1, 1, 1, 1, tzinfo=UTC)
"""Before anything in a store that is used, for what looks at every tenant."""


def maintenance(backend: Backend, instance: int = 0) -> DialogueMaintenance:
    """What works across tenants, on one of the instances."""
    store = backend.instances[instance].dialogue
    assert store is not None
    return store.maintenance()


async def idle_since(holder: Holder, *hours: int, start: datetime = TIME) -> list[Conversation]:
    """Active conversations in which nothing happened since so many hours after `start`."""
    drafts = [
        Conversation.draft(user_id="ada", started_at=start + hour * HOUR, id=f"{hour}")
        for hour in hours
    ]
    return list(await holder.conversations.create_many(drafts))


async def standing(scope: TenantScope, status: str) -> list[str]:
    """The ids of the conversations in that status."""
    return [talk.id async for talk in scope.conversations.stream({"status": status})]


@contract
async def test_idle_conversations_are_timed_out(backend: Backend, scope: TenantScope) -> None:
    """With the reason and the time; the bound itself is not before it."""
    talks = await idle_since(scope, 1, 2, 3, 4)
    now = backend.clock.advance(minutes=1)
    assert await scope.conversations.close_idle(TIME + 3 * HOUR) == 2
    for talk in talks[:2]:
        assert exact(await scope.conversations.require(talk.id)) == exact(
            attrs.evolve(
                talk,
                status=ConversationStatus.TIMEOUT,
                status_reason="idle",
                completed_at=now,
                updated_at=now,
                revision=2,
            )
        )
    for talk in talks[2:]:
        assert exact(await scope.conversations.require(talk.id)) == exact(talk)
    assert await scope.conversations.close_idle(TIME + 3 * HOUR) == 0


@contract
async def test_only_active_conversations_are_timed_out(backend: Backend) -> None:
    """And only those of the tenant; paused and closed ones stay as they are."""
    scope, other = backend.fresh(), backend.fresh()
    theirs = await begun(other, started_at=TIME)
    kept = [
        await begun_in(scope, status, last_activity_at=TIME)
        for status in ConversationStatus
        if status is not ConversationStatus.ACTIVE
    ]
    assert await scope.conversations.close_idle(TIME + HOUR) == 0
    for talk in kept:
        assert exact(await scope.conversations.require(talk.id)) == exact(talk)
    assert exact(await other.conversations.require(theirs.id)) == exact(theirs)


@contract
async def test_those_idle_for_longest_are_timed_out_first(scope: TenantScope) -> None:
    """At most as many as asked; called again, it goes on."""
    await idle_since(scope, 5, 3, 1, 4, 2)
    close = scope.conversations.close_idle
    assert await close(TIME + 9 * HOUR, limit=2) == 2
    assert await standing(scope, "timeout") == ["1", "2"]
    assert await close(TIME + 9 * HOUR, limit=1) == 1
    assert await standing(scope, "active") == ["4", "5"]
    assert await close(TIME + 9 * HOUR, limit=9) == 2
    assert await standing(scope, "active") == []


@contract
async def test_more_than_a_batch_of_idle_ones_is_timed_out(scope: TenantScope) -> None:
    """All of them, in one call; or more than a batch up to a limit."""
    await idle_since(scope, *range(1_250))
    assert await scope.conversations.close_idle(TIME + 10_000 * HOUR, limit=1_100) == 1_100
    assert await scope.conversations.close_idle(TIME + 10_000 * HOUR) == 150
    assert await scope.conversations.count({"status": "timeout"}) == 1_250


@contract(needs=Capability.TRANSACTIONS)
async def test_idle_ones_are_timed_out_with_the_unit_that_does_it(backend: Backend) -> None:
    """Nobody sees it before, and of a unit that fails nothing is kept."""
    here, there = backend.rivals()
    await idle_since(here, 0, 1, 2)

    async def closed_in_a_unit(limit: int | None) -> int:
        async with here.dialogue() as work:
            closed = await work.conversations.close_idle(TIME + 9 * HOUR, limit=limit)
            assert await standing(there, "active") == ["0", "1", "2"]
            assert await work.conversations.close_idle(TIME + 9 * HOUR) == 3 - closed
            if limit is None:
                raise LookupError
            return closed

    assert isinstance(await raised_by(closed_in_a_unit(None)), LookupError)
    assert await standing(there, "active") == ["0", "1", "2"]
    assert await closed_in_a_unit(2) == 2
    assert await standing(there, "active") == []


@contract
async def test_a_bound_without_meaning_is_refused(backend: Backend, scope: TenantScope) -> None:
    """A time that is none, a limit that is none; nothing is closed or purged."""
    await idle_since(scope, 1)
    times: list[Any] = ["2024-02-29", datetime(2024, 2, 29), None]  # noqa: DTZ001  # refused
    kept = maintenance(backend)
    for time in times:
        errors = await raised_by_each(
            scope.conversations.close_idle(time), kept.close_idle(time), kept.purge_expired(time)
        )
        for error, named in zip(errors, ("before", "before", "now"), strict=True):
            assert isinstance(error, ValidationError)
            assert [fault.path for fault in error.faults] == [named]
    limits: list[Any] = [0, -1, True, 1.0, "1"]
    for limit in limits:
        for error in await raised_by_each(
            scope.conversations.close_idle(TIME + 9 * HOUR, limit=limit),
            kept.close_idle(LONG_AGO, limit=limit),
            kept.purge_expired(LONG_AGO, limit=limit),
        ):
            assert isinstance(error, InvalidQueryError)
    assert await standing(scope, "active") == ["1"]


@pytest.mark.parametrize("way", ["message", "touch"])
@contract
async def test_a_conversation_in_which_something_happens_stays_active(
    backend: Backend, way: str
) -> None:
    """Or it was closed before: never is one closed after a sign of life was taken."""
    scopes = backend.rivals()
    talks = await idle_since(scopes[0], *range(6))
    bound = TIME + 100 * HOUR

    async def alive(scope: TenantScope, talk: Conversation) -> bool:
        if way == "message":
            return await raised_by(say(scope, talk, "still here")) is None
        return not (await scope.conversations.touch(talk.id)).status.is_closed

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number in (2, 5):
            return scope.conversations.close_idle(bound)
        return alive(scope, talks[number - (number > 2) - (number > 5)])

    won, lost = split(await all_at_once(scopes, act, 8))
    assert lost == []
    closed = [won.pop(5), won.pop(2)]
    for talk, lives in zip(talks, won, strict=True):
        stored = await scopes[1].conversations.require(talk.id)
        assert stored.status == ("active" if lives else "timeout")
        if way == "message":
            assert stored.last_sequence == (1 if lives else 0)
    assert sum(closed) == won.count(False)


@contract
async def test_two_that_time_out_at_once_close_each_conversation_once(backend: Backend) -> None:
    """What they return adds up."""
    scopes = backend.rivals()
    await idle_since(scopes[0], *range(20))
    won, lost = split(
        await all_at_once(
            scopes, lambda n, scope: scope.conversations.close_idle(TIME + 100 * HOUR), 4
        )
    )
    assert (sum(won), lost) == (20, [])
    revisions = {talk.revision async for talk in scopes[1].conversations.stream()}
    assert revisions == {2}


async def with_all(holder: Holder, id: str, **fields: Any) -> Conversation:
    """A conversation with messages, one of them under a key, and a context."""
    talk = await begun(holder, id, **fields)
    await holder.messages.append(talk.id, said("hello"), idempotency_key="k")
    await say(holder, talk, "there")
    await holder.contexts.save(ExecutionContext.draft(talk.id, user_id="ada"))
    return talk


async def nothing_left(scope: TenantScope, id: str) -> bool:
    """Whether a conversation is gone with all that belonged to it: created anew, it is empty."""
    messages, contexts = scope.messages, scope.contexts
    gone = (
        not await scope.conversations.exists(id)
        and not await messages.count({"conversation_id": id})
        and not (await messages.search("hello", conversation_id=id)).items
        and await contexts.get(id) is None
    )
    anew = await begun(scope, id)
    empty = exact(await log_of(scope, anew)) == exact([])
    again = await messages.append(id, said("other"), idempotency_key="k", expected_sequence=0)
    await contexts.save(ExecutionContext.draft(id, user_id="ada"))
    return gone and empty and numbers(again) == [1]


@contract
async def test_what_belongs_to_a_conversation_goes_with_it(scope: TenantScope) -> None:
    """Messages, keys and context; the next one of that id begins at 1. Others keep theirs."""
    kept = await with_all(scope, "kept")
    await with_all(scope, "gone")
    assert await scope.conversations.delete("gone") is True
    assert await nothing_left(scope, "gone")
    assert numbers(await log_of(scope, kept)) == [1, 2]
    assert await scope.contexts.get("kept") is not None


@contract
async def test_what_belongs_to_many_goes_with_them(scope: TenantScope) -> None:
    """As one by one; those that don't match stay whole."""
    for name in ("one", "two", "kept"):
        await with_all(scope, name, user_id="bob" if name == "kept" else "ada")
    assert await scope.conversations.delete_where({"user_id": "ada"}) == 2
    assert await scope.messages.count() == 2
    assert await nothing_left(scope, "one")
    assert await nothing_left(scope, "two")
    assert await scope.contexts.get("kept") is not None


@contract
async def test_a_refused_deletion_leaves_all_of_it(scope: TenantScope) -> None:
    """At a stale revision; and there is nothing to delete of what isn't there."""
    talk = await with_all(scope, "talk")
    stale = await raised_by(scope.conversations.delete(talk.id, 7))
    assert isinstance(stale, ConflictError)
    assert numbers(await log_of(scope, talk)) == [1, 2]
    assert await scope.contexts.get(talk.id) is not None
    assert await scope.conversations.delete("nobody's") is False


@contract
async def test_a_context_without_conversation_stays(scope: TenantScope) -> None:
    """It may be saved first; nothing but its own conversation's end takes it away."""
    await scope.contexts.save(ExecutionContext.draft("later", user_id="ada"))
    await with_all(scope, "other")
    await scope.conversations.delete("other")
    assert await scope.conversations.delete("later") is False
    assert await scope.contexts.get("later") is not None
    await begun(scope, "later")
    assert await scope.conversations.delete("later") is True
    assert await scope.contexts.get("later") is None


@contract
async def test_expired_conversations_are_purged_of_every_tenant(backend: Backend) -> None:
    """Whole, in any status; at the bound itself, too; as many as asked, then the rest."""
    kept = maintenance(backend, 1)
    await kept.purge_expired(LONG_AGO + HOUR)
    scopes = [backend.fresh() for _ in range(3)]
    for scope, offset in zip(scopes, (-HOUR, timedelta(), timedelta(milliseconds=1)), strict=True):
        await with_all(scope, "due", retain_until=LONG_AGO + offset)
        await with_all(scope, "kept")
    await scopes[0].conversations.transition("due", "completed")
    assert await kept.purge_expired(LONG_AGO, limit=1) == 1
    assert await kept.purge_expired(LONG_AGO, limit=5) == 1
    assert await kept.purge_expired(LONG_AGO) == 0
    for scope in scopes[:2]:
        assert await nothing_left(scope, "due")
    assert await scopes[2].conversations.exists("due")
    for scope in scopes:
        assert await scope.messages.count({"conversation_id": "kept"}) == 2
        assert await scope.contexts.get("kept") is not None
    assert await kept.purge_expired(LONG_AGO + HOUR) == 1


@contract
async def test_a_conversation_to_be_kept_for_longer_is_not_purged(backend: Backend) -> None:
    """Whoever moves its time on before it is gone keeps all of it; afterwards it is not there."""
    scopes = backend.rivals()
    await maintenance(backend).purge_expired(LONG_AGO)
    for n in range(6):
        await with_all(scopes[0], f"{n}", retain_until=LONG_AGO)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number in (2, 5):
            return maintenance(backend, number % 2).purge_expired(LONG_AGO)
        id = f"{number - (number > 2) - (number > 5)}"
        return scope.conversations.patch(id, retain_until=TIME)

    results = await all_at_once(scopes, act, 8)
    purged = results.pop(5) + results.pop(2)
    for n, result in enumerate(results):
        kept = isinstance(result, Conversation)
        assert kept or isinstance(result, EntityNotFoundError), result
        assert await scopes[1].messages.count({"conversation_id": f"{n}"}) == (2 if kept else 0)
        assert await scopes[1].conversations.exists(f"{n}") is kept
        assert (await scopes[1].contexts.get(f"{n}") is not None) is kept
    assert purged == len([one for one in results if not isinstance(one, Conversation)])


@contract
async def test_idle_conversations_of_every_tenant_are_timed_out(backend: Backend) -> None:
    """Those idle for longest first, whichever tenant they are of; as the tenant's own would be."""
    kept = maintenance(backend, 1)
    await kept.close_idle(LONG_AGO + 9 * HOUR)
    scopes = [backend.fresh() for _ in range(2)]
    await idle_since(scopes[0], 1, 4, start=LONG_AGO)
    await idle_since(scopes[1], 3, 2, 9, start=LONG_AGO)
    now = backend.clock.advance(minutes=1)
    assert await kept.close_idle(LONG_AGO + 9 * HOUR, limit=2) == 2
    assert [await standing(scope, "timeout") for scope in scopes] == [["1"], ["2"]]
    assert await kept.close_idle(LONG_AGO + 9 * HOUR) == 2
    assert await kept.close_idle(LONG_AGO + 9 * HOUR) == 0
    assert [await standing(scope, "active") for scope in scopes] == [[], ["9"]]
    closed = await scopes[1].conversations.require("3")
    assert (closed.status_reason, closed.completed_at, closed.updated_at) == ("idle", now, now)
    assert closed.revision == 2
    error = await raised_by(say(scopes[1], closed, "late"))
    assert isinstance(error, ConversationClosedError)


@contract
async def test_an_erased_tenants_dialogues_are_gone(backend: Backend) -> None:
    """Messages, keys and contexts, those without a conversation too; others keep theirs."""
    scope, other = backend.fresh(), backend.fresh()
    theirs = await with_all(other, "talk")
    await with_all(scope, "talk")
    await scope.contexts.save(ExecutionContext.draft("alone", user_id="ada"))
    assert await maintenance(backend, 1).erase_tenant(scope.tenant) >= 2
    assert await scope.messages.count() == await scope.contexts.count() == 0
    assert await maintenance(backend).erase_tenant(scope.tenant) == 0
    assert scope.tenant not in [tenant async for tenant in maintenance(backend).tenants()]
    assert await nothing_left(scope, "talk")
    assert numbers(await log_of(other, theirs)) == [1, 2]
    assert await other.contexts.get("talk") is not None
