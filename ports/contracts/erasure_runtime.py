"""Erasing what lives for a while: nobody logs in faster than they are logged out, no state that
was erased is begun again.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import ValidationError
from domain.executions import ExecutionState
from domain.rates import fixed_window
from ports.contracts.erasure import USER, bury, maintenance
from ports.contracts.harness import Backend, Group, contract, raised_by, raised_by_each
from ports.erasing import key_of
from ports.errors import EntityNotFoundError, ErasedError
from ports.executions import ERASED_FOR
from ports.stores import TenantScope

RULE = fixed_window(5, timedelta(hours=1))


@contract
async def test_nobody_logs_in_faster_than_they_are_logged_out(
    backend: Backend, scope: TenantScope
) -> None:
    """Once a tombstone stands, who logs in all the time comes to an end, and no session stays."""
    store, logged_in = maintenance(backend, Group.RUNTIME, 0), asyncio.Event()

    async def client() -> None:
        while True:
            await scope.sessions.create(USER)
            logged_in.set()
            await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        clients = [group.create_task(refused(client())) for _ in range(3)]
        await logged_in.wait()
        await bury(backend, Group.RUNTIME, scope.tenant, USER, 0)
        await store.erase_user(scope.tenant, USER)
        await asyncio.wait(clients)
        await store.erase_user(scope.tenant, USER)
    assert await scope.sessions.for_user(USER) == ()


async def refused(coroutine: Any) -> None:
    """It comes to an end by this."""
    with pytest.raises(ErasedError):
        await coroutine


@contract
async def test_a_state_that_was_erased_is_not_begun_again(backend: Backend) -> None:
    """By whoever still has it, or only the conversation's id; another conversation's is."""
    here, there = backend.rivals()
    held = await here.executions.save(ExecutionState.draft("talk"), fencing_token=3)
    store = maintenance(backend, Group.RUNTIME)
    assert await store.erase_conversations(here.tenant, USER, ["talk", "none"]) == {"executions": 1}
    for scope in (here, there):
        executions = scope.executions
        for error in await raised_by_each(
            executions.save(ExecutionState.draft("talk")),
            executions.save(ExecutionState.draft("none"), fencing_token=9),
        ):
            assert isinstance(error, ErasedError), error
        for error in await raised_by_each(
            executions.save(held),
            executions.enter_state("talk", "on"),
            executions.extend("talk", timedelta(hours=1), fencing_token=9),
        ):
            assert isinstance(error, EntityNotFoundError), error
        assert await executions.get("talk") is None
        assert await executions.delete("talk") is False
    await there.executions.save(ExecutionState.draft("other"))
    assert await store.erase_conversations(here.tenant, USER, ["talk", "none"]) == {}
    backend.clock.advance(seconds=ERASED_FOR.total_seconds() + 1)
    await there.executions.save(ExecutionState.draft("talk"))


@contract
async def test_a_tenant_that_is_erased_takes_along_what_was_remembered(
    backend: Backend, scope: TenantScope
) -> None:
    """Of its erased users' conversations, too."""
    store = maintenance(backend, Group.RUNTIME)
    await store.erase_conversations(scope.tenant, USER, ["talk"])
    await store.erase_tenant(scope.tenant)
    assert scope.tenant not in [each async for each in store.tenants()]
    await scope.executions.save(ExecutionState.draft("talk"))


@contract
async def test_any_number_of_states_goes_and_faulty_ids_are_refused(
    backend: Backend, scope: TenantScope
) -> None:
    """As many as an erasure hands over at once; nothing goes if one of them can't be."""
    ids = [f"talk {number}" for number in range(500)]
    for id in ids[:20]:
        await scope.executions.save(ExecutionState.draft(id))
    store = maintenance(backend, Group.RUNTIME)
    wrong = store.erase_conversations(scope.tenant, USER, [*ids, ""])
    assert isinstance(await raised_by(wrong), ValidationError)
    assert await scope.executions.get(ids[0]) is not None
    assert await store.erase_conversations(scope.tenant, USER, ids) == {"executions": 20}
    assert await store.erase_conversations(scope.tenant, USER, []) == {}


@contract
async def test_a_limit_that_is_called_as_a_user_is_nobodys(
    backend: Backend, scope: TenantScope
) -> None:
    """Or whoever is called as a tenant's quota could take it away, by being erased."""
    limits, mine = scope.rate_limits, key_of(USER)
    for key in (USER, mine):
        await limits.acquire(key, RULE)
    await bury(backend, Group.RUNTIME, scope.tenant, USER, 0)
    gone = await maintenance(backend, Group.RUNTIME, 0).erase_user(scope.tenant, USER)
    assert gone == {"rate_limits": 1}
    assert (await limits.acquire(USER, RULE)).count == 2
    assert (await limits.peek(mine, RULE)).count == 0
    assert isinstance(await raised_by(limits.acquire(mine, RULE)), ErasedError)
