"""When the hot store lost everything, execution states come back from their contexts: the same for
everybody, nothing older than was synchronised, and nothing that had ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.executions import ExecutionState
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.executions import CHANGES, drafted
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.synchronising import (
    DiedError,
    begun,
    both,
    died,
    held_up,
    kept,
    lose,
)
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    LockLostError,
)
from ports.executions import ExecutionStore
from ports.stores import TenantScope

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
READS: dict[str, Callable[[ExecutionStore], Awaitable[object]]] = {
    "get": lambda states: states.get("talk"),
    "require": lambda states: states.require("talk"),
    "sync_to_context": lambda states: states.sync_to_context("talk"),
}


@pytest.mark.parametrize("way", [*READS, *CHANGES], ids=str)
@contract
async def test_whatever_is_done_first_restores(backend: Backend, way: str) -> None:
    """A read or a change; it finds what was synchronised."""
    here, there = both(backend)
    await kept(here, slots={"a": 1}, current_state="ask")
    await lose(backend, here.tenant)
    if way in READS:
        assert await READS[way](here.executions) is not None
    else:
        await CHANGES[way](here.executions, "talk")
    found = await there.executions.require("talk")
    assert found.slots["a"] == 1


@contract
async def test_a_draft_is_told_of_what_comes_back(backend: Backend) -> None:
    """As if nothing had been lost."""
    here, there = both(backend)
    await kept(here, slots={"a": 1})
    await lose(backend, here.tenant)
    error = await raised_by(here.executions.save(drafted()))
    assert isinstance(error, DuplicateEntityError)
    assert (await there.executions.require("talk")).slots == {"a": 1}


@contract
async def test_the_last_synchronised_state_comes_back(backend: Backend) -> None:
    """What was changed since is lost with the store; nothing older than that comes."""
    here, there = both(backend)
    await kept(here)
    for number in range(3):
        await here.executions.enter_state("talk", f"s{number}")
        await here.executions.sync_to_context("talk")
    await here.executions.enter_state("talk", "lost")
    await lose(backend, here.tenant)
    found = await there.executions.require("talk")
    assert (found.current_state, found.previous_states) == ("s2", ("s0", "s1"))


@contract
async def test_it_comes_back_as_often_as_it_is_lost(backend: Backend) -> None:
    """With what was changed in between, and at revisions that were never handed out before."""
    here, there = both(backend)
    state = await kept(here)
    for number in range(3):
        await lose(backend, here.tenant)
        found = await there.executions.require("talk")
        assert found.revision > state.revision + 2**31
        state = await here.executions.update_slots("talk", {f"{number}": number})
        if number == 1:
            continue  # lost
        await there.executions.sync_to_context("talk")
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).slots == {"0": 0, "2": 2}


@contract
async def test_who_holds_a_state_from_before_is_told(backend: Backend) -> None:
    """Be it the one that was synchronised, or a later one; also once there are as many changes."""
    here, there = both(backend)
    synchronised = await kept(here)
    later = await here.executions.enter_state("talk", "lost")
    await lose(backend, here.tenant)
    for stale in (synchronised, later):
        error = await raised_by(there.executions.save(stale.entered("stale")))
        assert isinstance(error, ConflictError)
    for number in range(2):
        await here.executions.enter_state("talk", f"s{number}")
        error = await raised_by(there.executions.save(later.entered("stale")))
        assert isinstance(error, ConflictError)
    assert (await here.executions.require("talk")).current_state == "s1"


@contract
async def test_a_deleted_state_does_not_come_back(backend: Backend) -> None:
    """Deleted before the loss, or after it before anybody else looked."""
    here, there = both(backend)
    await kept(here)
    assert await there.executions.delete("talk")
    await lose(backend, here.tenant)
    assert await here.executions.get("talk") is None
    await here.executions.save(drafted())
    await here.executions.sync_to_context("talk")
    await lose(backend, here.tenant)
    assert await there.executions.delete("talk")
    assert await here.executions.get("talk") is None
    assert not await here.executions.delete("talk")
    await lose(backend, here.tenant)
    assert await here.executions.get("talk") is None
    assert (await here.executions.save(drafted())).revision == 1


@contract
async def test_a_state_that_was_deleted_with_its_conversation_does_not_come_back(
    backend: Backend,
) -> None:
    """Its context went with it, and isn't made again."""
    here, there = both(backend)
    await kept(here)
    await here.executions.enter_state("talk", "x")
    await there.conversations.delete("talk")
    assert not await held_up(backend, here.tenant).synchronise("talk")
    assert await here.contexts.get("talk") is None
    await lose(backend, here.tenant)
    assert await here.executions.get("talk") is None


@contract
async def test_a_conversation_that_goes_while_its_context_is_made_leaves_none(
    backend: Backend,
) -> None:
    """The synchronisation had seen it."""
    here, there = both(backend)
    await begun(here)

    async def meanwhile() -> None:
        await there.conversations.delete("talk")

    assert not await held_up(backend, here.tenant, seen=meanwhile).synchronise("talk")
    assert await here.contexts.get("talk") is None


@contract
async def test_an_expired_state_does_not_come_back(backend: Backend) -> None:
    """Whether it expired before the loss or after it."""
    here, there = both(backend)
    await kept(here, "before", ttl=MINUTE)
    await kept(here, "after", ttl=2 * MINUTE)
    backend.clock.advance(minutes=1)
    assert await here.executions.get("before") is None
    await lose(backend, here.tenant)
    assert await here.executions.get("before") is None
    backend.clock.advance(minutes=1)
    assert await there.executions.get("after") is None
    assert not await there.executions.delete("after")
    assert (await here.executions.save(drafted("after"))).revision == 1


@contract
async def test_an_earlier_revision_that_would_have_lived_longer_does_not_come_back(
    backend: Backend,
) -> None:
    """The state expired before that it would expire so soon was synchronised."""
    here, there = both(backend)
    await kept(here, ttl=30 * DAY)
    await here.executions.extend("talk", MINUTE)
    backend.clock.advance(days=2)
    assert await there.executions.get("talk") is None
    assert not await there.executions.delete("talk")
    await held_up(backend, here.tenant).synchronise("talk")
    await lose(backend, here.tenant)
    assert await there.executions.get("talk") is None


@contract
async def test_a_restored_state_keeps_its_remaining_time(backend: Backend) -> None:
    """To the millisecond; later writes keep it as long as ever."""
    here, there = both(backend)
    made = await kept(here, ttl=MINUTE)
    backend.clock.advance(seconds=40)
    await lose(backend, here.tenant)
    found = await here.executions.require("talk")
    assert (found.expires_at, found.ttl) == (made.expires_at, MINUTE)
    backend.clock.advance(seconds=19.999)
    assert exact(await there.executions.get("talk")) == exact(found)
    backend.clock.advance(milliseconds=1)
    assert await there.executions.get("talk") is None
    assert await here.executions.get("talk") is None


@contract
async def test_fencing_tokens_come_back(backend: Backend) -> None:
    """With the state, and for a day after its deletion."""
    here, there = both(backend)
    await begun(here)
    await here.executions.enter_state("talk", "x", fencing_token=7)
    await here.executions.sync_to_context("talk")
    for _ in range(2):
        await lose(backend, here.tenant)
        error = await raised_by(there.executions.enter_state("talk", "y", fencing_token=6))
        assert isinstance(error, LockLostError)
    await here.executions.enter_state("talk", "y", fencing_token=7)
    assert await here.executions.delete("talk", fencing_token=8)
    await lose(backend, here.tenant)
    for attempt in (
        there.executions.save(drafted(), fencing_token=7),
        there.executions.enter_state("talk", "y", fencing_token=7),
    ):
        assert isinstance(await raised_by(attempt), LockLostError)
    backend.clock.advance(days=1)
    await lose(backend, here.tenant)
    await there.executions.save(drafted(), fencing_token=7)


@contract
async def test_all_who_restore_at_once_have_the_same(backend: Backend) -> None:
    """Whatever is synchronised at the same moment by who was held up."""
    scopes = both(backend)
    await kept(scopes[0], slots={"n": 0})
    before = await scopes[0].executions.update_slots("talk", {"n": 1})

    async def loss() -> None:
        await lose(backend, scopes[0].tenant)
        gate.set()
        await asyncio.sleep(0)

    async def act(number: int, scope: TenantScope) -> ExecutionState | None:
        if number == 0:
            await held_up(backend, scope.tenant, seen=loss).synchronise("talk")
            return None
        await gate.wait()
        return await scope.executions.get("talk")

    gate = asyncio.Event()
    results, lost = split(await all_at_once(scopes, act))
    assert lost == []
    found = await scopes[1].executions.require("talk")
    assert {state.slots["n"] for state in results if state is not None} == {found.slots["n"]}
    assert found.revision > before.revision


@contract
async def test_all_changes_at_once_after_the_loss_take_effect(backend: Backend) -> None:
    """The restoration undoes none of them."""
    scopes = both(backend)
    await kept(scopes[0])
    await lose(backend, scopes[0].tenant)

    async def act(number: int, scope: TenantScope) -> ExecutionState:
        return await scope.executions.update_slots("talk", {f"{number}": number})

    won, lost = split(await all_at_once(scopes, act))
    assert lost == []
    assert len({state.revision for state in won}) == len(won)
    found = await scopes[1].executions.require("talk")
    assert found.slots == {f"{number}": number for number in range(len(won))}
    assert (await scopes[0].executions.sync_to_context("talk")).slots == found.slots


@pytest.mark.parametrize("step", ["seen", "revive"])
@contract
async def test_who_is_held_up_while_it_restores_replaces_nothing(
    backend: Backend, step: str
) -> None:
    """Somebody else restored and changed the state; it finds that, and it is synchronised."""
    here, there = both(backend)
    await kept(here)
    await lose(backend, here.tenant)

    async def meanwhile() -> None:
        await there.executions.enter_state("talk", "rival's")

    found = await held_up(backend, here.tenant, **{step: meanwhile}).get("talk")
    assert found is not None
    assert found.current_state == "rival's"
    assert exact(await there.executions.get("talk")) == exact(found)
    await there.executions.sync_to_context("talk")
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).current_state == "rival's"


@pytest.mark.parametrize("step", ["seen", "revive"])
@contract
async def test_who_is_held_up_while_it_restores_does_not_undo_a_deletion(
    backend: Backend, step: str
) -> None:
    """Somebody else restored the state, and deleted it."""
    here, there = both(backend)
    await kept(here)
    await lose(backend, here.tenant)

    async def meanwhile() -> None:
        assert await there.executions.delete("talk")

    assert await held_up(backend, here.tenant, **{step: meanwhile}).get("talk") is None
    assert await there.executions.get("talk") is None


@contract
async def test_who_is_held_up_while_it_restores_restores_nothing_that_expired(
    backend: Backend,
) -> None:
    """By the time that it goes on."""
    here, there = both(backend)
    await kept(here, ttl=MINUTE)
    await lose(backend, here.tenant)

    async def meanwhile() -> None:
        backend.clock.advance(minutes=1)

    assert await held_up(backend, here.tenant, revive=meanwhile).get("talk") is None
    assert await there.executions.get("talk") is None


@contract
async def test_who_is_held_up_while_it_restores_restores_nothing_older(backend: Backend) -> None:
    """Than what was synchronised since it read the context, by who was held up before the loss."""
    here, there = both(backend)
    await kept(here)
    await here.executions.enter_state("talk", "late")

    async def loss() -> None:
        await lose(backend, here.tenant)
        assert await held_up(backend, here.tenant, seen=finished).get("talk") is not None

    async def finished() -> None:
        done.append(await there.contexts.require("talk"))

    done: list[object] = []
    await held_up(backend, here.tenant, seen=loss).synchronise("talk")
    found = await here.executions.require("talk")
    context = await there.executions.sync_to_context("talk")
    assert context.execution is not None
    assert (context.current_state, found.current_state) == (None, None)
    await lose(backend, here.tenant)
    assert (await there.executions.require("talk")).current_state is None
    assert len(done) == 1


@contract
async def test_who_dies_while_it_restores_stands_in_nobodys_way(backend: Backend) -> None:
    """It had claimed a revision: before anybody restored, or while somebody's state went on."""
    here, there = both(backend)
    await kept(here)
    await lose(backend, here.tenant)

    async def meanwhile() -> None:
        await there.executions.enter_state("talk", "went on")

    dying = held_up(backend, here.tenant, revive=died)
    assert isinstance(await raised_by(dying.get("talk")), DiedError)
    overtaken = held_up(backend, here.tenant, seen=meanwhile, revive=died)
    assert isinstance(await raised_by(overtaken.get("talk")), DiedError)
    stored = await here.executions.sync_to_context("talk")
    assert stored.current_state == "went on"
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).current_state == "went on"


@contract
async def test_nobody_elses_state_comes_back(backend: Backend) -> None:
    """Neither another conversation's nor another tenant's."""
    (here, _), (other, _) = both(backend), both(backend)
    await kept(here)
    await lose(backend, here.tenant)
    assert await other.executions.get("talk") is None
    assert await here.executions.get("talk:b") is None
    error = await raised_by(other.executions.enter_state("talk", "x"))
    assert isinstance(error, EntityNotFoundError)
