"""Sessions that several processes create, change and end at once."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs

from domain.sessions import IssuedSession, Session
from ports.contracts.concurrency import RACERS, ROUNDS, all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract
from ports.errors import ConflictError, EntityNotFoundError
from ports.sessions import SessionStore
from ports.stores import TenantScope

CHANGERS = 50


async def raced(
    scopes: Sequence[TenantScope],
    act: Callable[[int, SessionStore, IssuedSession], Coroutine[Any, Any, Any]],
    n: int = RACERS,
) -> tuple[IssuedSession, list[Any]]:
    """A new session as issued, and what each contender came to that did something to it."""
    issued = await scopes[0].sessions.create("ada")
    stores = [scope.sessions for scope in scopes]
    return issued, await all_at_once(stores, lambda number, on: act(number, on, issued), n)


@contract(still=True)
async def test_of_many_updates_of_one_revision_exactly_one_wins(backend: Backend) -> None:
    """The others are told, and what the winner wrote stands."""
    scopes = backend.rivals()
    issued = await scopes[0].sessions.create("ada")
    made = issued.session
    for _ in range(ROUNDS):
        rivals = [attrs.evolve(made, conversation_id=f"{number}") for number in range(RACERS)]

        def act(
            number: int, scope: TenantScope, rivals: list[Session] = rivals
        ) -> Coroutine[Any, Any, Session]:
            return scope.sessions.update(rivals[number])

        won, lost = split(await all_at_once(scopes, act))
        assert (len(won), {type(error) for error in lost}) == (1, {ConflictError})
        assert {(e.expected, e.actual) for e in lost if isinstance(e, ConflictError)} == {
            (made.revision, made.revision + 1)
        }
        made = won[0]
        assert exact(await scopes[1].sessions.get(issued.token)) == exact(made)


@contract
async def test_all_of_many_merges_at_once_take_effect(backend: Backend) -> None:
    """Of 50: each sets its own key, and none undoes another's."""

    def act(
        number: int, sessions: SessionStore, issued: IssuedSession
    ) -> Coroutine[Any, Any, Session]:
        return sessions.merge(issued.token, context={f"{number}": number})

    scopes = backend.rivals()
    issued, results = await raced(scopes, act, CHANGERS)
    won, lost = split(results)
    assert lost == []
    assert sorted(session.revision for session in won) == list(range(2, 2 + CHANGERS))
    stored = await scopes[1].sessions.require(issued.token)
    assert stored.context == {f"{number}": number for number in range(CHANGERS)}


@contract
async def test_of_many_that_end_a_session_exactly_one_does(backend: Backend) -> None:
    """The others say that there was nothing to end."""

    def act(
        number: int, sessions: SessionStore, issued: IssuedSession
    ) -> Coroutine[Any, Any, bool]:
        if number % 3:
            return sessions.delete(issued.token)
        return sessions.revoke(issued.session.id)

    _, results = await raced(backend.rivals(), act)
    assert sorted(results) == [False] * (RACERS - 1) + [True]


@contract
async def test_of_many_rotations_exactly_one_wins(backend: Backend) -> None:
    """One session goes on, under one token; what changed meanwhile is in it or refused."""

    def act(number: int, sessions: SessionStore, issued: IssuedSession) -> Coroutine[Any, Any, Any]:
        if number // 2 % 2:
            return sessions.merge(issued.token, context={f"{number}": True})
        return sessions.rotate(issued.token)

    for _ in range(ROUNDS):
        scopes = backend.rivals()
        issued, results = await raced(scopes, act)
        won, lost = split(results)
        assert {type(error) for error in lost} <= {EntityNotFoundError}
        rotations = [each for each in won if isinstance(each, IssuedSession)]
        assert len(rotations) == 1
        changed = [each for each in won if isinstance(each, Session)]
        found = await scopes[1].sessions.require(rotations[0].token)
        assert found.revision == 2 + len(changed)
        assert len(found.context) == len(changed)
        assert await scopes[0].sessions.get(issued.token) is None
        assert [one.id for one in await scopes[0].sessions.for_user("ada")] == [found.id]


@contract
async def test_a_session_that_ended_is_not_written_again(backend: Backend) -> None:
    """Whatever was under way when it did."""

    def act(number: int, sessions: SessionStore, issued: IssuedSession) -> Coroutine[Any, Any, Any]:
        if number == RACERS - 1:
            return sessions.delete(issued.token)
        return sessions.merge(issued.token, context={f"{number}": True})

    for _ in range(ROUNDS):
        scopes = backend.rivals()
        issued, results = await raced(scopes, act)
        assert results[-1] is True
        assert {type(error) for error in split(results)[1]} <= {EntityNotFoundError}
        assert await scopes[1].sessions.get(issued.token) is None
        assert await scopes[1].sessions.for_user("ada") == ()


@contract
async def test_who_logs_in_while_logged_out_everywhere_is_out_or_listed(backend: Backend) -> None:
    """No session lives that isn't in the list of its user's."""
    for _ in range(ROUNDS):
        scopes = backend.rivals()
        before = [await scopes[0].sessions.create("ada") for _ in range(5)]

        def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
            if number // 2 % 2:
                return scope.sessions.create("ada")
            return scope.sessions.delete_for_user("ada")

        results = await all_at_once(scopes, act, 12)
        issued = [each for each in results if isinstance(each, IssuedSession)]
        found = [await scopes[1].sessions.get(each.token) for each in issued]
        alive = {session.id for session in found if session is not None}
        listed = await scopes[0].sessions.for_user("ada")
        assert {session.id for session in listed} == alive
        for each in before:
            assert await scopes[1].sessions.get(each.token) is None
        ended = sum(result for result in results if isinstance(result, int))
        assert ended == len(before) + len(issued) - len(alive)


@contract
async def test_a_rotation_does_not_escape_a_log_out(backend: Backend) -> None:
    """A session that is rotated while its user is logged out everywhere is ended, or refused."""
    for _ in range(ROUNDS):
        here, there = backend.rivals()
        issued = await here.sessions.create("ada")
        over = asyncio.Event()

        async def keep_rotating(
            token: str = issued.token, over: asyncio.Event = over, scope: TenantScope = there
        ) -> None:
            while not over.is_set():
                try:
                    token = (await scope.sessions.rotate(token)).token
                except EntityNotFoundError:
                    return
                await asyncio.sleep(0)

        rotating = asyncio.create_task(keep_rotating())
        await asyncio.sleep(0)
        try:
            assert await here.sessions.delete_for_user("ada") == 1
        finally:
            over.set()
        await rotating
        assert await here.sessions.for_user("ada") == ()


@contract
async def test_a_session_is_listed_while_it_is_rotated(backend: Backend) -> None:
    """By its old id or its new one: it was there all the time."""
    here, there = backend.rivals()
    token, listings = (await here.sessions.create("ada")).token, 0

    async def keep_rotating() -> None:
        nonlocal token
        while listings < 30:
            token = (await here.sessions.rotate(token)).token
            await asyncio.sleep(0)

    rotating = asyncio.create_task(keep_rotating())
    found = []
    while listings < 30:
        found.append(len(await there.sessions.for_user("ada")))
        listings += 1
        for _ in range(listings % 3):  # so that they don't go in step
            await asyncio.sleep(0)
    await rotating
    assert found == [1] * 30
