"""Fencing: who lost a lock without knowing changes no execution state any more."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from domain.executions import ExecutionState
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.executions import CHANGES, drafted, saved
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    LockLostError,
)
from ports.stores import TenantScope

DAY = timedelta(days=1)
GREATEST = 2**53 - 1

WRITES: dict[str, Callable[..., Awaitable[object]]] = {
    **CHANGES,
    "save": lambda states, id, **fence: _resaved(states, id, **fence),
    "delete": lambda states, id, **fence: states.delete(id, **fence),
}
"""Everything that writes to a state that there is."""


async def _resaved(states: Any, id: str, **fence: Any) -> ExecutionState:
    found = await states.require(id)
    stored: ExecutionState = await states.save(found.took_turn(), **fence)
    return stored


@pytest.mark.parametrize("way", WRITES, ids=str)
@contract
async def test_a_smaller_token_than_wrote_before_is_refused(backend: Backend, way: str) -> None:
    """In whichever way it writes; nothing is changed, and its expiry doesn't move either."""
    here, there = backend.rivals()
    await here.executions.save(drafted(), fencing_token=33)
    made = await there.executions.enter_state("talk", "next", fencing_token=34)
    backend.clock.advance(seconds=1)
    error = await raised_by(WRITES[way](here.executions, "talk", fencing_token=33))
    assert isinstance(error, LockLostError)
    assert exact(await there.executions.get("talk")) == exact(made)
    assert await WRITES[way](there.executions, "talk", fencing_token=34)


@pytest.mark.parametrize("way", WRITES, ids=str)
@contract
async def test_every_write_leaves_its_token(scope: TenantScope, way: str) -> None:
    """Also one that deletes."""
    await saved(scope.executions)
    await WRITES[way](scope.executions, "talk", fencing_token=7)
    if way == "delete":
        await saved(scope.executions)
    error = await raised_by(scope.executions.update_slots("talk", {}, fencing_token=6))
    assert isinstance(error, LockLostError)
    await scope.executions.update_slots("talk", {}, fencing_token=7)


@contract
async def test_a_write_without_a_token_is_not_fenced(backend: Backend, scope: TenantScope) -> None:
    """It is never refused for one, and forgets none."""
    await scope.executions.save(drafted(ttl=DAY), fencing_token=7)
    for act in CHANGES.values():
        await act(scope.executions, "talk")
    await scope.executions.extend("talk", 3 * DAY)
    backend.clock.advance(days=2.5)
    await scope.executions.extend("talk", 3 * DAY)
    backend.clock.advance(days=2.5)
    for _ in range(2):
        error = await raised_by(scope.executions.update_slots("talk", {}, fencing_token=6))
        assert isinstance(error, LockLostError)
        assert await scope.executions.delete("talk")
        await saved(scope.executions)
    await scope.executions.update_slots("talk", {}, fencing_token=7)


@pytest.mark.parametrize("fenced", [True, False], ids=["with a token", "without"])
@contract
async def test_a_token_is_remembered_for_a_day_after_deletion(
    backend: Backend, fenced: bool
) -> None:
    """For drafts and whatever else; then it is forgotten."""
    here, there = backend.rivals()
    await here.executions.save(drafted(ttl=30 * DAY), fencing_token=7)
    assert await there.executions.delete("talk", fencing_token=8 if fenced else None)
    token = 7 if fenced else 6
    backend.clock.advance(hours=23, minutes=59)
    late = [
        act(here.executions, "talk", fencing_token=token)
        for way, act in WRITES.items()
        if way != "save"  # of what there isn't
    ]
    for error in await raised_by_each(*late, here.executions.save(drafted(), fencing_token=token)):
        assert isinstance(error, LockLostError)
    assert await there.executions.get("talk") is None
    backend.clock.advance(minutes=1)
    assert (await here.executions.save(drafted(), fencing_token=token)).revision == 1


@contract
async def test_a_token_is_remembered_for_a_day_after_expiry(
    backend: Backend, scope: TenantScope
) -> None:
    """As after a deletion."""
    await scope.executions.save(drafted(ttl=DAY), fencing_token=7)
    backend.clock.advance(days=1)
    assert await scope.executions.get("talk") is None
    backend.clock.advance(hours=23)
    error = await raised_by(scope.executions.save(drafted(), fencing_token=6))
    assert isinstance(error, LockLostError)
    backend.clock.advance(hours=1)
    await scope.executions.save(drafted(), fencing_token=6)


@contract
async def test_a_deletion_of_nothing_leaves_its_token_too(scope: TenantScope) -> None:
    """Whoever says that there shall be no state is obeyed by those before."""
    assert not await scope.executions.delete("talk", fencing_token=7)
    error = await raised_by(scope.executions.save(drafted(), fencing_token=6))
    assert isinstance(error, LockLostError)
    await scope.executions.save(drafted())


@contract
async def test_a_write_that_is_refused_leaves_no_token(scope: TenantScope) -> None:
    """Bad input changes nothing, what is remembered of tokens included."""
    made = await saved(scope.executions)
    await scope.executions.enter_state("talk", "x")
    for error, kind in (
        (await raised_by(scope.executions.save(made, fencing_token=9)), ConflictError),
        (await raised_by(scope.executions.save(drafted(), fencing_token=9)), DuplicateEntityError),
        (
            await raised_by(
                scope.executions.enter_state("talk", "x", expected_revision=9, fencing_token=9)
            ),
            ConflictError,
        ),
        (
            await raised_by(scope.executions.enter_state("none", "x", fencing_token=9)),
            EntityNotFoundError,
        ),
    ):
        assert isinstance(error, kind)
    await scope.executions.update_slots("talk", {}, fencing_token=8)
    await scope.executions.save(drafted("none"), fencing_token=8)


@contract
async def test_tokens_are_of_one_conversation_of_one_tenant(backend: Backend) -> None:
    """Nobody else is refused for them."""
    scope, other = backend.fresh(), backend.fresh()
    await scope.executions.save(drafted(), fencing_token=GREATEST)
    await other.executions.save(drafted(), fencing_token=0)
    await scope.executions.save(drafted("talk:b"), fencing_token=0)
    await scope.executions.save(drafted("execution-fence"), fencing_token=0)


@contract
async def test_tokens_are_compared_as_numbers(scope: TenantScope) -> None:
    """As far as integers reach that every store compares: 2^53 - 1."""
    await scope.executions.save(drafted(), fencing_token=0)
    for token, smaller in ((9, 8), (10, 9), (100, 99), (GREATEST, GREATEST - 1)):
        await scope.executions.update_slots("talk", {}, fencing_token=token)
        error = await raised_by(scope.executions.update_slots("talk", {}, fencing_token=smaller))
        assert isinstance(error, LockLostError)


@contract
async def test_of_holders_that_write_at_once_the_last_one_prevails(backend: Backend) -> None:
    """What stands in the end is of the greatest token; those after it were refused."""
    scopes = backend.rivals()
    await saved(scopes[0].executions)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionState]:
        token = (number * 5) % 12
        return scope.executions.update_slots("talk", {"holder": token}, fencing_token=token)

    won, lost = split(await all_at_once(scopes, act, 12))
    assert {type(error) for error in lost} <= {LockLostError}
    in_order = sorted(won, key=lambda state: state.revision)
    holders = [state.slots["holder"] for state in in_order]
    assert holders == sorted(holders)
    assert holders[-1] == 11
    assert exact(await scopes[1].executions.get("talk")) == exact(in_order[-1])
