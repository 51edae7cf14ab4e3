"""Erased execution states aren't restored from their contexts, whoever is about to."""

from domain.execution_marks import ExecutionMark
from ports.contracts.erasure import USER, bury, maintenance
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.synchronising import Interposed, both, kept, lose, synchronised
from ports.stores import TenantScope
from ports.synchronisation import SynchronisedExecutions


@contract
async def test_an_erased_state_does_not_come_back(backend: Backend) -> None:
    """While its context stands, and by whichever process; nor when the hot store lost it before."""
    here, there = both(backend)
    for talk in ("one", "two"):
        await kept(here, talk)
    await lose(backend, here.tenant)
    hot = maintenance(backend, Group.RUNTIME)
    await hot.erase_conversations(here.tenant, USER, ["one", "two"])
    for scope in (here, there):
        assert await scope.executions.get("one") is None
        assert await scope.executions.delete("two") is False
    assert isinstance((await here.contexts.require("one")).execution, ExecutionMark)


@contract
async def test_who_is_held_up_while_it_restores_brings_nothing_back(backend: Backend) -> None:
    """It saw that there was nothing, and is about to store what the context has."""
    here, there = both(backend)
    await kept(here)
    await lose(backend, here.tenant)

    async def erased() -> None:
        hot = maintenance(backend, Group.RUNTIME)
        await hot.erase_conversations(here.tenant, USER, ["talk"])

    runtime = backend.instances[0].runtime
    assert runtime is not None
    held_up = Interposed(runtime.repositories(here.tenant).tracked_executions, revive=erased)
    dialogue = backend.instances[0].dialogue
    assert dialogue is not None
    executions = SynchronisedExecutions(here.tenant, held_up, dialogue.repositories(here.tenant))
    assert await executions.get("talk") is None
    assert await there.executions.get("talk") is None


@contract
async def test_a_buried_users_state_is_not_restored_or_written_behind(
    backend: Backend, scope: TenantScope
) -> None:
    """What the contexts' store refuses is no error of who reads, or of the worker."""
    acme = synchronised(scope)
    await kept(acme)
    await acme.executions.update_slots("talk", {"a": 2})
    user = (await acme.conversations.require("talk")).user_id
    await bury(backend, Group.DIALOGUE, acme.tenant, user, 0)
    executions = acme.executions
    assert isinstance(executions, SynchronisedExecutions)
    assert await executions.synchronise("talk") is True
    assert (await acme.contexts.require("talk")).slots == {}
    await lose(backend, acme.tenant)
    assert await executions.get("talk") is None
    assert await raised_by(executions.delete("talk")) is None
