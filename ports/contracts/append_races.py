"""Appends that race: two instances, one log, no gap and nothing twice."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from itertools import chain
from typing import Any

from domain.conversations import Conversation, ConversationClosedError
from domain.messages import Message
from ports.capabilities import Capability
from ports.contracts.concurrency import RACERS, ROUNDS, all_at_once, split
from ports.contracts.dialogues import begun, gap_free, log_of, numbers, said, say
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
)
from ports.stores import TenantScope

APPENDERS = 50
CALLERS = 20


async def read_on(scope: TenantScope, talk: Conversation, until: asyncio.Event) -> list[Message]:
    """What somebody sees who always asks for what follows, until there can be nothing more."""
    seen: list[Message] = []
    while True:
        last = until.is_set()
        page = await scope.messages.history(talk.id, after=len(seen), limit=7)
        seen.extend(page.items)
        assert gap_free(seen)
        if last and not page.items:
            return seen
        await asyncio.sleep(0)


@contract
async def test_concurrent_appends_all_succeed_without_a_gap(backend: Backend) -> None:
    """Of 50, with 1 to 4 messages each; whoever read up to a number has missed nothing before."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    ended = asyncio.Event()
    readers = [asyncio.create_task(read_on(scope, talk, ended)) for scope in scopes]

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, tuple[Message, ...]]:
        return say(scope, talk, *(f"{number} {place}" for place in range(1 + number % 4)))

    try:
        won, lost = split(await all_at_once(scopes, act, APPENDERS))
    finally:
        ended.set()
    seen = await asyncio.gather(*readers)
    assert lost == []
    stored = await log_of(scopes[1], talk)
    assert gap_free(stored)
    assert [exact(each) for each in seen] == [exact(stored)] * 2
    assert sorted(numbers(chain.from_iterable(won))) == numbers(stored)
    for batch in won:  # each stands together, in its order
        first = batch[0].sequence
        assert exact(stored[first - 1 : first - 1 + len(batch)]) == exact(list(batch))
    head = await scopes[0].conversations.require(talk.id)
    assert (head.last_sequence, head.message_count) == (len(stored), len(stored))
    assert head.revision == 1


@contract
async def test_logs_that_are_written_at_once_do_not_mix(backend: Backend) -> None:
    """Each has its own numbers, as if the others weren't there."""
    scopes = backend.rivals()
    talks = [await begun(scopes[0]) for _ in range(4)]

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, tuple[Message, ...]]:
        talk = talks[number // 2 % 4]
        return say(scope, talk, talk.id, talk.id)

    _, lost = split(await all_at_once(scopes, act, 16))
    assert lost == []
    for talk in talks:
        stored = await log_of(scopes[1], talk)
        assert gap_free(stored)
        assert [message.text for message in stored] == [talk.id] * 8


@contract(needs=Capability.TRANSACTIONS)
async def test_the_head_is_never_seen_apart_from_the_messages(backend: Backend) -> None:
    """Whoever reads both in one unit finds as many messages as the head says, whichever first."""
    here, there = backend.rivals()
    talk = await begun(here)
    ended = asyncio.Event()

    async def write() -> None:
        try:
            for number in range(15):
                await say(here, talk, *["x"] * (1 + number % 3))
        finally:
            ended.set()

    async def read(head_first: bool) -> None:
        while not ended.is_set():
            async with there.dialogue() as unit:
                if head_first:
                    head = await unit.conversations.require(talk.id)
                stored = await unit.messages.history(talk.id, limit=100)
                count = await unit.messages.count({"conversation_id": talk.id})
                if not head_first:
                    head = await unit.conversations.require(talk.id)
            assert head.last_sequence == head.message_count == len(stored.items) == count
            assert gap_free(stored.items)
            await asyncio.sleep(0)

    await asyncio.gather(write(), read(True), read(False))
    assert (await there.conversations.require(talk.id)).last_sequence == 30


@contract
async def test_of_many_that_expect_the_same_end_exactly_one_appends(backend: Backend) -> None:
    """The others are told where the log ends now."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    for end in range(ROUNDS):

        def act(
            number: int, scope: TenantScope, end: int = end
        ) -> Coroutine[Any, Any, tuple[Message, ...]]:
            return scope.messages.append(talk.id, said("x"), expected_sequence=end)

        won, lost = split(await all_at_once(scopes, act))
        assert [numbers(batch) for batch in won] == [[end + 1]]
        assert {type(error) for error in lost} == {SequenceConflictError}
        assert {(e.expected, e.actual) for e in lost if isinstance(e, SequenceConflictError)} == {
            (end, end + 1)
        }
    assert gap_free(await log_of(scopes[1], talk))


@contract
async def test_concurrent_calls_with_one_key_store_it_once(backend: Backend) -> None:
    """All of them return the same; the first of a conversation, and a later one."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])
    for key in ("first", "second"):

        def act(
            number: int, scope: TenantScope, key: str = key
        ) -> Coroutine[Any, Any, tuple[Message, ...]]:
            return scope.messages.append(talk.id, said("a", "b"), idempotency_key=key)

        won, lost = split(await all_at_once(scopes, act, CALLERS))
        assert lost == []
        assert len({str(exact(batch)) for batch in won}) == 1
    stored = await log_of(scopes[1], talk)
    assert gap_free(stored)
    assert [message.idempotency_key for message in stored] == ["first"] * 2 + ["second"] * 2
    assert (await scopes[0].conversations.require(talk.id)).message_count == 4


@contract
async def test_of_different_contents_under_one_key_exactly_one_is_stored(backend: Backend) -> None:
    """The others are told that the key was used; beside them, other appends go on."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, tuple[Message, ...]]:
        if number % 4 == 3:
            return say(scope, talk, "beside")
        return scope.messages.append(talk.id, said(f"{number}"), idempotency_key="k")

    won, lost = split(await all_at_once(scopes, act, 12))
    assert (len(won), Counter(map(type, lost))) == (4, {IdempotencyKeyReusedError: 8})
    stored = await log_of(scopes[1], talk)
    assert gap_free(stored)
    assert Counter(message.idempotency_key for message in stored) == {None: 3, "k": 1}


@contract
async def test_of_many_that_choose_one_id_exactly_one_is_stored(backend: Backend) -> None:
    """In whichever conversation; what the others would have appended leaves no gap."""
    scopes = backend.rivals()
    talks = [await begun(scopes[0]) for _ in range(2)]

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, tuple[Message, ...]]:
        drafts = [*said(f"{number}"), Message.draft("mine", id="wanted")]
        return scope.messages.append(talks[number // 2 % 2].id, drafts)

    won, lost = split(await all_at_once(scopes, act))
    assert len(won) == 1
    assert {(type(e), getattr(e, "key", None)) for e in lost} == {(DuplicateEntityError, ("id",))}
    assert sorted([len(await log_of(scopes[1], talk)) for talk in talks]) == [0, 2]
    for talk in talks:
        await say(scopes[1], talk, "next")
        assert gap_free(await log_of(scopes[0], talk))


@contract
async def test_nothing_is_appended_after_a_conversation_was_closed(backend: Backend) -> None:
    """Each append comes before the end or is refused; the head at the end is the last one."""
    for _ in range(ROUNDS):
        scopes = backend.rivals()
        talk = await begun(scopes[0])

        def act(
            number: int, scope: TenantScope, talk: Conversation = talk
        ) -> Coroutine[Any, Any, Any]:
            if number == RACERS // 2:
                return scope.conversations.transition(talk.id, "completed")
            return say(scope, talk, "a", "b")

        results = await all_at_once(scopes, act)
        closed = results.pop(RACERS // 2)
        assert isinstance(closed, Conversation), closed
        won, lost = split(results)
        assert {type(error) for error in lost} <= {ConversationClosedError}
        stored = await log_of(scopes[1], talk)
        assert gap_free(stored)
        assert len(stored) == 2 * len(won) == closed.last_sequence
        assert exact(await scopes[0].conversations.require(talk.id)) == exact(closed)


@contract
async def test_a_deleted_conversation_leaves_no_messages(backend: Backend) -> None:
    """Each append comes before and is deleted, or finds no conversation; no orphan is left."""
    for _ in range(ROUNDS):
        scopes = backend.rivals()
        talk = await begun(scopes[0])
        await say(scopes[0], talk, "before")

        def act(
            number: int, scope: TenantScope, talk: Conversation = talk
        ) -> Coroutine[Any, Any, Any]:
            if number == RACERS // 2:
                return scope.conversations.delete(talk.id)
            return say(scope, talk, "a", "b")

        results = await all_at_once(scopes, act)
        assert results[RACERS // 2] is True
        assert {type(error) for error in split(results)[1]} <= {EntityNotFoundError}
        assert await scopes[1].messages.count() == 0
        await begun(scopes[1], talk.id)
        assert numbers(await say(scopes[0], talk, "anew")) == [1]


@contract
async def test_edits_and_appends_at_once_all_take_effect(backend: Backend) -> None:
    """The head counts every message, the revision every edit."""
    scopes = backend.rivals()
    talk = await begun(scopes[0])

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number % 4 < 2:
            return say(scope, talk, "a")
        return scope.conversations.patch(talk.id, summary=f"{number}")

    _, lost = split(await all_at_once(scopes, act, 16))
    assert lost == []
    stored = await scopes[1].conversations.require(talk.id)
    assert (stored.last_sequence, stored.message_count, stored.revision) == (8, 8, 9)
