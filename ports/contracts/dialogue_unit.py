"""Units over conversations, messages and contexts: together or not at all, and never a gap."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain.contexts import ExecutionContext
from domain.conversations import Conversation, ConversationClosedError
from domain.errors import ValidationError
from domain.messages import REDACTED, Message, MessageAnalysis
from ports.capabilities import Capability
from ports.contracts.dialogues import begun, gap_free, log_of, numbers, said, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
    TransactionError,
)
from ports.stores import TenantScope
from ports.unit_of_work import DialogueUnit

in_units = contract(needs=Capability.TRANSACTIONS)


class Mishap(Exception):
    """What a caller's own code raises."""


async def rolled_back(scope: TenantScope, act: Callable[[DialogueUnit], Awaitable[object]]) -> None:
    """Do something in a unit that ends by an exception."""

    async def unit() -> None:
        async with scope.dialogue() as work:
            await act(work)
            raise Mishap

    assert isinstance(await raised_by(unit()), Mishap)


async def a_turn(work: DialogueUnit, talk: Conversation) -> tuple[Message, ...]:
    """What a bot does in one turn: another conversation with a message, and a context."""
    other = await begun(work, "other")
    await say(work, other, "hello")
    await work.contexts.save(ExecutionContext.draft(talk.id, user_id="ada"))
    answered = await say(work, talk, "what?", "that.")
    await work.conversations.enter_state(talk.id, "answered")
    return answered


async def seen_by(holder: TenantScope | DialogueUnit, talk: Conversation) -> list[object]:
    """All that the turn concerns."""
    return [
        exact(await holder.conversations.get_by_id(talk.id)),
        exact(await log_of(holder, talk)),
        exact(await holder.conversations.get_by_id("other")),
        texts((await holder.messages.history("other")).items),
        exact(await holder.contexts.get(talk.id)),
        await holder.conversations.count(),
        await holder.messages.count(),
        await holder.contexts.count(),
    ]


@in_units
async def test_all_kinds_commit_together(backend: Backend) -> None:
    """Nobody sees any of it before, inside all of it shows; then everybody sees what it saw."""
    here, there = backend.rivals()
    talk = await begun(here)
    before = await seen_by(there, talk)
    async with here.dialogue() as work:
        await a_turn(work, talk)
        inside = await seen_by(work, talk)
        assert await seen_by(there, talk) == before
    assert await seen_by(there, talk) == inside
    assert inside[-3:] == [2, 3, 1]


@in_units
async def test_all_kinds_roll_back_together(backend: Backend) -> None:
    """Nothing of it is left, and its numbers, keys and ids go to whoever comes next."""
    here, there = backend.rivals()
    talk = await begun(here)
    await say(here, talk, "first")
    before = await seen_by(there, talk)

    async def act(work: DialogueUnit) -> None:
        await a_turn(work, talk)
        await work.messages.append(talk.id, said("keyed", id="mine"), idempotency_key="k")

    await rolled_back(here, act)
    assert await seen_by(there, talk) == before
    assert numbers(await say(there, talk, "second")) == [2]
    kept = await here.messages.append(talk.id, said("else", id="mine"), idempotency_key="k")
    assert numbers(kept) == [3]


@in_units
async def test_an_append_shows_inside_with_its_head(backend: Backend) -> None:
    """In every way of reading, one after the other; the next one goes on from it."""
    here, there = backend.rivals()
    talk = await begun(here)
    await say(here, talk, "before")
    async with here.dialogue() as work:
        for count in (2, 3):
            now = backend.clock.advance(minutes=1)
            (appended,) = await say(work, talk, f"inside {count}")
            assert appended.sequence == count
            head = await work.conversations.require(talk.id)
            assert (head.last_sequence, head.message_count) == (count, count)
            assert head.last_activity_at == now
            assert exact(await work.messages.require(appended.id)) == exact(appended)
            assert numbers(await work.messages.latest(talk.id, 1)) == [count]
            assert len(await log_of(work, talk)) == await work.messages.count() == count
            found = (await work.messages.search("inside")).items
            assert len(found) == count - 1
            earlier = await work.messages.history(talk.id, before=count, limit=1)
            assert numbers(earlier.items) == [count - 1]
        assert texts(await log_of(there, talk)) == ["before"]
        assert (await there.conversations.require(talk.id)).last_sequence == 1
        assert (await there.messages.search("inside")).items == ()
    assert texts(await log_of(there, talk)) == ["before", "inside 2", "inside 3"]


async def overlapping(
    scopes: tuple[TenantScope, TenantScope],
    talk: Conversation,
    *acts: Callable[[DialogueUnit], Awaitable[object]],
) -> list[BaseException | None]:
    """Two units whose views both begin before either writes; what each ended with."""
    seen = [asyncio.Event(), asyncio.Event()]

    async def unit(number: int) -> None:
        async with scopes[number].dialogue() as work:
            await work.conversations.require(talk.id)
            seen[number].set()
            await seen[1 - number].wait()
            await acts[number](work)
            await asyncio.sleep(0)  # also where a store itself never waits: both have written

    ends = await asyncio.gather(unit(0), unit(1), return_exceptions=True)
    return list(ends)


@in_units
async def test_two_units_that_append_to_one_log_leave_no_gap(backend: Backend) -> None:
    """One of them loses, whole, or they follow each other; run again, the loser succeeds."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])

    def appending(name: str) -> Callable[[DialogueUnit], Awaitable[object]]:
        async def act(work: DialogueUnit) -> None:
            await say(work, talk, f"{name} 1", f"{name} 2")
            await say(work, talk, f"{name} 3")

        return act

    ends = await overlapping(scopes, talk, appending("ours"), appending("theirs"))
    lost = [name for name, end in zip(("ours", "theirs"), ends, strict=True) if end is not None]
    assert {type(end) for end in ends} <= {TransactionError, type(None)}
    assert len(lost) < 2
    for name in lost:
        async with scopes[1].dialogue() as work:
            await appending(name)(work)
    stored = await log_of(scopes[0], talk)
    assert gap_free(stored)
    first, second = ("theirs", "ours") if stored[0].text == "theirs 1" else ("ours", "theirs")
    assert texts(stored) == [f"{name} {n}" for name in (first, second) for n in (1, 2, 3)]
    assert (await scopes[0].conversations.require(talk.id)).last_sequence == 6


@in_units
async def test_a_unit_and_an_append_beside_it_leave_no_gap(backend: Backend) -> None:
    """What was appended after the unit's view began comes first; the unit loses, or follows."""
    here, there = backend.rivals()
    talk = await begun(here)

    async def unit() -> None:
        async with here.dialogue() as work:
            await log_of(work, talk)
            await say(there, talk, "beside")
            assert texts(await log_of(work, talk)) == []
            assert (await work.conversations.require(talk.id)).last_sequence == 0
            await say(work, talk, "inside")

    end = await raised_by(unit())
    assert type(end) in (TransactionError, type(None))
    stored = await log_of(there, talk)
    assert gap_free(stored)
    assert texts(stored) == ["beside", *(["inside"] if end is None else [])]


@in_units
async def test_a_unit_that_loses_the_end_of_a_log_says_so(backend: Backend) -> None:
    """Whatever else it wrote first: as a race that was lost, not as a number that is taken."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    mine = await say(scopes[0], talk, "one", "two")

    def acting(number: int) -> Callable[[DialogueUnit], Awaitable[object]]:
        async def act(work: DialogueUnit) -> None:
            understood = MessageAnalysis(intent="x")
            await work.messages.annotate(mine[number].id, analysis=understood)
            await say(work, talk, "three")

        return act

    ends = await overlapping(scopes, talk, acting(0), acting(1))
    assert {type(end) for end in ends} <= {TransactionError, type(None)}
    won = ends.count(None)
    assert gap_free(await log_of(scopes[1], talk))
    assert await scopes[1].messages.count({"intent": "x"}) == won
    assert await scopes[1].messages.count({"text": "three"}) == won >= 1


@in_units
async def test_units_that_append_to_different_logs_both_commit(backend: Backend) -> None:
    """Nothing that they share is written by both."""
    scopes = backend.rivals()
    one, two = await begun(scopes[0]), await begun(scopes[0])
    ends = await overlapping(
        scopes, one, lambda work: say(work, one, "a"), lambda work: say(work, two, "b")
    )
    assert ends == [None, None]
    assert texts(await log_of(scopes[1], one)) == ["a"]
    assert texts(await log_of(scopes[0], two)) == ["b"]


@in_units
async def test_a_replay_in_a_unit_returns_the_first_result(backend: Backend) -> None:
    """Of an earlier append, and of one in the same unit; as it stands in the unit."""
    here, there = backend.rivals()
    talk = await begun(here)
    first = await here.messages.append(talk.id, said("a"), idempotency_key="one")
    async with here.dialogue() as work:
        append = work.messages.append
        assert exact(await append(talk.id, said("a"), idempotency_key="one")) == exact(first)
        second = await append(talk.id, said("b", "c"), idempotency_key="two")
        annotated = await work.messages.annotate(second[0].id, analysis=MessageAnalysis(intent="x"))
        again = await append(talk.id, said("b", "c"), idempotency_key="two", expected_sequence=1)
        assert exact(again) == exact((annotated, second[1]))
        await work.conversations.transition(talk.id, "completed")
        assert exact(await append(talk.id, said("a"), idempotency_key="one")) == exact(first)
    later = await there.messages.append(talk.id, said("b", "c"), idempotency_key="two")
    assert exact(later) == exact(again)
    assert texts(await log_of(there, talk)) == ["a", "b", "c"]


@in_units
async def test_one_key_in_two_units_is_stored_once(backend: Backend) -> None:
    """The loser, run again, gets what the winner stored."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])

    async def act(work: DialogueUnit) -> object:
        return await work.messages.append(talk.id, said("a"), idempotency_key="k")

    ends = await overlapping(scopes, talk, act, act)
    assert {type(end) for end in ends} <= {TransactionError, type(None)}
    async with scopes[1].dialogue() as work:
        again = await act(work)
    stored = await log_of(scopes[0], talk)
    assert exact(stored) == exact(list(again))  # type: ignore[call-overload]  # a tuple
    assert numbers(stored) == [1]


FAULTS: dict[str, tuple[type[Exception], dict[str, Any]]] = {
    "a closed conversation": (ConversationClosedError, {"log": "closed"}),
    "no conversation": (EntityNotFoundError, {"log": "nobody's"}),
    "another end": (SequenceConflictError, {"expected_sequence": 7}),
    "a key of other content": (IdempotencyKeyReusedError, {"idempotency_key": "k"}),
    "a taken id": (DuplicateEntityError, {"drafts": said("x", id="taken")}),
}


@pytest.mark.parametrize("fault", FAULTS)
@in_units
async def test_an_append_that_fails_dooms_the_unit(scope: TenantScope, fault: str) -> None:
    """Also if the caller catches it: what follows and the commit raise, and nothing is kept."""
    talk = await begun(scope, "talk")
    await scope.messages.append(talk.id, said("a", id="taken"), idempotency_key="k")
    await begun(scope, "closed")
    await scope.conversations.transition("closed", "completed")
    kind, named = FAULTS[fault]
    given = {"log": "talk", "drafts": said("x"), **named}
    log = given.pop("log")

    async def unit() -> None:
        async with scope.dialogue() as work:
            await say(work, talk, "lost")
            assert type(await raised_by(work.messages.append(log, **given))) is kind
            for refused in (log_of(work, talk), say(work, talk, "more"), work.contexts.count()):
                assert isinstance(await raised_by(refused), TransactionError)

    assert isinstance(await raised_by(unit()), TransactionError)
    assert texts(await log_of(scope, talk)) == ["a"]


@in_units
async def test_bad_values_doom_nothing(scope: TenantScope) -> None:
    """They are found before the store is asked; a state refused by what was read is no write."""
    talk = await begun(scope)
    async with scope.dialogue() as work:
        await say(work, talk, "a")
        assert isinstance(await raised_by(work.messages.append(talk.id, [])), ValidationError)
        assert isinstance(await raised_by(say(work, talk, "b", at=None, id="")), ValidationError)
        await work.conversations.transition(talk.id, "completed")
        for refused in (
            work.conversations.enter_state(talk.id, "late"),
            work.conversations.transition(talk.id, "active"),
            work.conversations.transition("nobody's", "active"),
        ):
            assert await raised_by(refused) is not None
    assert texts(await log_of(scope, talk)) == ["a"]
    assert (await scope.conversations.require(talk.id)).status == "completed"


@in_units
async def test_a_redaction_rolled_back_is_none(backend: Backend) -> None:
    """Inside, content and count are gone; afterwards they are as before, and found again."""
    here, there = backend.rivals()
    talk = await begun(here)
    (stored,) = await here.messages.append(talk.id, said("hello"), idempotency_key="k")

    async def act(work: DialogueUnit) -> None:
        assert (await work.messages.redact(stored.id)).content == REDACTED
        assert (await work.messages.require(stored.id)).content == REDACTED
        assert (await work.conversations.require(talk.id)).message_count == 0
        assert (await work.messages.search("hello")).items == ()
        assert len((await there.messages.search("hello")).items) == 1

    await rolled_back(here, act)
    assert exact(await log_of(there, talk)) == exact([stored])
    assert (await there.conversations.require(talk.id)).message_count == 1
    assert len((await here.messages.search("hello")).items) == 1
    error = await raised_by(here.messages.append(talk.id, said("other"), idempotency_key="k"))
    assert isinstance(error, IdempotencyKeyReusedError)


@in_units
async def test_a_conversation_replaced_in_a_unit_begins_anew(backend: Backend) -> None:
    """Deleted and created again under its id: its log begins at 1, outside only at the commit."""
    here, there = backend.rivals()
    talk = await begun(here, "talk")
    await here.messages.append(talk.id, said("old", "older"), idempotency_key="k")
    await here.contexts.save(ExecutionContext.draft("talk", user_id="ada"))

    async def act(work: DialogueUnit) -> None:
        assert await work.conversations.delete("talk") is True
        assert await log_of(work, talk) == []
        assert await work.messages.count() == await work.contexts.count() == 0
        await begun(work, "talk")
        new = await work.messages.append("talk", said("new"), idempotency_key="k")
        assert numbers(new) == [1]
        assert texts(await log_of(there, talk)) == ["old", "older"]

    await rolled_back(here, act)
    assert texts(await log_of(there, talk)) == ["old", "older"]
    assert await there.contexts.get("talk") is not None
    async with here.dialogue() as work:
        await act(work)
    assert texts(await log_of(there, talk)) == ["new"]
    assert await there.contexts.get("talk") is None
    assert (await there.conversations.require("talk")).last_sequence == 1


@in_units
async def test_an_ended_unit_refuses_everything(scope: TenantScope) -> None:
    """Messages as well as conversations and contexts."""
    talk = await begun(scope)
    async with scope.dialogue() as work:
        await say(work, talk, "a")
    for refused in (
        say(work, talk, "b"),
        log_of(work, talk),
        work.conversations.touch(talk.id),
        work.contexts.get(talk.id),
    ):
        assert isinstance(await raised_by(refused), TransactionError)
    assert texts(await log_of(scope, talk)) == ["a"]
