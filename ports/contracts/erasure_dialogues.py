"""Erasing a user's conversations: all of them, each whole, and handed over before it goes."""

from collections.abc import Sequence
from typing import Any

from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.messages import Message
from ports.contracts.erasure import USER, bury, maintenance
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.traces import TRACES, alone_of, talk_of
from ports.stores import TenantScope

MANY = 2_500


@contract
async def test_any_number_of_conversations_goes(backend: Backend, scope: TenantScope) -> None:
    """In batches, each of which is handed over, every conversation in one of them."""
    drafts = [Conversation.draft(user_id=USER, id=f"talk {n}") for n in range(MANY)]
    await scope.conversations.create_many(drafts)
    kept = await scope.conversations.create(Conversation.draft(user_id="adam"))
    handed: list[str] = []

    async def before(ids: Sequence[str]) -> None:
        handed.extend(ids)

    store = maintenance(backend, Group.DIALOGUE)
    assert await store.erase_user(scope.tenant, USER, before=before) == {"conversations": MANY}
    assert sorted(handed) == sorted(f"talk {n}" for n in range(MANY))
    assert [each.id async for each in scope.conversations.stream()] == [kept.id]


@contract
async def test_conversations_are_handed_over_before_they_go(
    backend: Backend, scope: TenantScope
) -> None:
    """So are those of which there is a context alone; what can't be handed over stays."""
    await TRACES[Group.DIALOGUE].leave(scope, USER)
    everywhere = await TRACES[Group.DIALOGUE].seen(scope, USER)
    store: Any = maintenance(backend, Group.DIALOGUE)
    told: list[str] = []

    async def refused(ids: Sequence[str]) -> None:
        told.extend(ids)
        raise ConnectionError

    async def before(ids: Sequence[str]) -> None:
        told.extend(ids)
        for id in ids:
            assert await scope.conversations.exists(id) or await scope.contexts.exists(id)

    error = await raised_by(store.erase_user(scope.tenant, USER, before=refused))
    assert isinstance(error, ConnectionError)
    assert told == [talk_of(USER)]
    assert await TRACES[Group.DIALOGUE].seen(scope, USER) == everywhere
    await store.erase_user(scope.tenant, USER, before=before)
    assert told[1:] == [talk_of(USER), alone_of(USER)]
    assert await TRACES[Group.DIALOGUE].seen(scope, USER) == []


@contract
async def test_one_that_became_somebody_elses_meanwhile_stays(
    backend: Backend, scope: TenantScope
) -> None:
    """It isn't the user's any more when it would go."""
    await scope.conversations.create(Conversation.draft(user_id=USER, id="talk"))
    await scope.messages.append("talk", [Message.draft("hello")])

    async def before(ids: Sequence[str]) -> None:
        await scope.conversations.patch("talk", user_id="mary")

    store = maintenance(backend, Group.DIALOGUE)
    assert await store.erase_user(scope.tenant, USER, before=before) == {}
    assert (await scope.conversations.require("talk")).user_id == "mary"
    assert len(await scope.messages.latest("talk")) == 1


@contract
async def test_an_erasure_is_not_hindered_by_who_lifts_it(
    backend: Backend, scope: TenantScope
) -> None:
    """There is no receipt any more, and nothing left."""
    await TRACES[Group.DIALOGUE].leave(scope, USER)
    await bury(backend, Group.DIALOGUE, scope.tenant, USER)
    store = maintenance(backend, Group.DIALOGUE)

    async def before(ids: Sequence[str]) -> None:
        await store.tombstones.lift(scope.tenant, USER)

    await store.erase_user(scope.tenant, USER, before=before)
    assert await TRACES[Group.DIALOGUE].seen(scope, USER) == []
    assert await store.tombstones.find(scope.tenant, USER) is None


@contract
async def test_a_conversation_takes_along_a_context_of_whomever(
    backend: Backend, scope: TenantScope
) -> None:
    """And a context of the user's goes from somebody else's conversation, which stays."""
    for talk, user, named in (("one", USER, "mary"), ("two", "mary", USER)):
        await scope.conversations.create(Conversation.draft(user_id=user, id=talk))
        await scope.contexts.save(ExecutionContext.draft(talk, user_id=named))
    store = maintenance(backend, Group.DIALOGUE)
    gone = await store.erase_user(scope.tenant, USER)
    assert gone == {"conversations": 1, "contexts": 2}
    assert await scope.contexts.count() == 0
    assert [each.id async for each in scope.conversations.stream()] == ["two"]


@contract
async def test_what_was_appended_by_a_key_is_forgotten_with_the_conversation(
    backend: Backend, scope: TenantScope
) -> None:
    """Another one of that id begins from nothing, and its keys are new."""
    await TRACES[Group.DIALOGUE].leave(scope, USER)
    await maintenance(backend, Group.DIALOGUE).erase_user(scope.tenant, USER)
    talk = talk_of(USER)
    await scope.conversations.create(Conversation.draft(user_id="mary", id=talk))
    (first,) = await scope.messages.append(talk, [Message.draft("new")], idempotency_key="one")
    assert first.sequence == 1
