"""Execution states are written into their contexts, and an older one never over a newer one."""

from typing import Any
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.contexts import ExecutionContext, RecognizedIntent
from domain.documents import EMPTY
from domain.executions import ExecutionState
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.executions import FIELDS, drafted
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.synchronising import (
    DiedError,
    OneTenants,
    begun,
    both,
    died,
    held_up,
    kept,
    lose,
    maintenance,
    synchronised,
    without_revision,
    worker,
)
from ports.errors import ConflictError, EntityNotFoundError, UnsupportedOperationError
from ports.stores import TenantScope
from ports.synchronisation import SynchronisedExecutions

FLOW = UUID(int=7 << 64)


async def until_death(states: SynchronisedExecutions) -> None:
    """Whoever synchronises may be killed before it is through."""
    error = await raised_by(states.synchronise("talk"))
    assert error is None or isinstance(error, DiedError)


@contract
async def test_a_context_takes_what_the_state_holds(backend: Backend) -> None:
    """And keeps what the state has no part in."""
    here, there = both(backend)
    made = await here.contexts.save(
        ExecutionContext.draft("talk", user_id="ada", slots={"old": 1}, user_profile={"n": 1})
    )
    intent = RecognizedIntent(intent="greet", at=backend.clock.kept)
    await here.contexts.save(made.understood(intent))
    await here.contexts.patch("talk", integration_results={"r": 2})
    state = await here.executions.save(
        drafted(flow_id=FLOW, current_state="ask", previous_states=["a"], slots={"$x": 3.0})
    )
    state = await here.executions.patch("talk", error_count=3, variables={"n": None})
    stored = await there.executions.sync_to_context("talk")
    assert exact(await here.contexts.get("talk")) == exact(stored)
    for name in (
        *("flow_id", "current_state", "previous_states", "slots", "variables", "error_count"),
    ):
        assert exact(getattr(stored, name)) == exact(getattr(state, name)), name
    assert (stored.user_profile, stored.integration_results) == ({"n": 1}, {"r": 2})
    assert (stored.user_id, stored.intent_history) == ("ada", (intent,))
    assert stored.execution is not None
    assert (stored.execution.revision, stored.execution.ended) == (2, False)


@given(fields=st.fixed_dictionaries(FIELDS))
@examples(0.3)
@contract
async def test_a_state_comes_back_whole(backend: Backend, fields: dict[str, Any]) -> None:
    """To the letter, times and time to live included; its revision is far beyond."""
    here, there = both(backend)
    await begun(here)
    state = await here.executions.patch(
        "talk", **{name: value for name, value in fields.items() if name != "previous_states"}
    )
    state = await here.executions.save(
        attrs.evolve(state, previous_states=fields["previous_states"])
    )
    await here.executions.sync_to_context("talk")
    await lose(backend, here.tenant)
    found = await there.executions.get("talk")
    assert exact(without_revision(found)) == exact(without_revision(state))
    assert found is not None
    assert found.revision > 2**32
    assert exact(await here.executions.get("talk")) == exact(found)


@contract
async def test_a_conversation_without_a_context_gets_one(scope: TenantScope) -> None:
    """Of its user; what has neither isn't kept, and who asks for it is told."""
    scope = synchronised(scope)
    await begun(scope, current_state="ask")
    made = await scope.executions.sync_to_context("talk")
    assert (made.user_id, made.current_state) == ("ada", "ask")
    await scope.executions.save(drafted("nobody's"))
    error, missing = await raised_by_each(
        scope.executions.sync_to_context("nobody's"), scope.executions.sync_to_context("none")
    )
    assert isinstance(error, EntityNotFoundError)
    assert (error.entity_type, error.entity_id) == ("execution_context", "nobody's")
    assert isinstance(missing, EntityNotFoundError)
    assert (missing.entity_type, missing.entity_id) == ("execution_state", "none")
    assert await scope.contexts.count() == 1


@contract
async def test_what_was_not_changed_is_not_written_again(scope: TenantScope) -> None:
    """Nor does it raise the context's revision."""
    scope = synchronised(scope)
    await kept(scope)
    first = await scope.executions.sync_to_context("talk")
    assert exact(await scope.executions.sync_to_context("talk")) == exact(first)
    await scope.executions.enter_state("talk", "x")
    assert (await scope.executions.sync_to_context("talk")).revision == first.revision + 1


@contract
async def test_who_was_held_up_overwrites_nothing_newer(backend: Backend) -> None:
    """It had seen the state before somebody else changed and synchronised it."""
    here, there = both(backend)
    await kept(here)
    await here.executions.enter_state("talk", "old")

    async def meanwhile() -> None:
        await there.executions.enter_state("talk", "new")
        await there.executions.sync_to_context("talk")

    await until_death(held_up(backend, here.tenant, seen=meanwhile, settle=died))
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).current_state == "new"


@contract
async def test_who_was_held_up_writes_nothing_of_a_former_life(backend: Backend) -> None:
    """The state was deleted, and begun anew, at a smaller revision and in the same moment."""
    here, there = both(backend)
    await kept(here)
    for _ in range(3):
        await here.executions.enter_state("talk", "former")

    async def meanwhile() -> None:
        await there.executions.delete("talk")
        await there.executions.save(drafted(current_state="anew"))
        await there.executions.sync_to_context("talk")

    await until_death(held_up(backend, here.tenant, seen=meanwhile, settle=died))
    await lose(backend, here.tenant)
    found = await here.executions.require("talk")
    assert (found.current_state, found.created_at) == ("anew", backend.clock.kept)


@contract
async def test_who_was_held_up_revives_nothing_that_was_deleted(backend: Backend) -> None:
    """Whether there was a context before or not."""
    for id, before in (("first", kept), ("second", begun)):
        here, there = both(backend)
        await before(here, id)
        await here.executions.enter_state(id, "gone")

        async def meanwhile(there: TenantScope = there, id: str = id) -> None:
            assert await there.executions.delete(id)

        await held_up(backend, here.tenant, seen=meanwhile).synchronise(id)
        await lose(backend, here.tenant)
        assert await here.executions.get(id) is None


@contract
async def test_who_was_held_up_since_before_the_loss_overwrites_nothing(backend: Backend) -> None:
    """What it had seen is newer than what was restored, and what was restored went on since."""
    here, there = both(backend)
    await kept(here)
    for _ in range(5):
        await here.executions.enter_state("talk", "lost")

    async def meanwhile() -> None:
        await lose(backend, here.tenant)
        await there.executions.enter_state("talk", "went on")
        await there.executions.sync_to_context("talk")

    await until_death(held_up(backend, here.tenant, seen=meanwhile, settle=died))
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).current_state == "went on"


@contract
async def test_a_change_while_it_is_written_stays_noted(backend: Backend) -> None:
    """The note that is settled is the one that was seen."""
    here, there = both(backend)
    await kept(here)
    await here.executions.enter_state("talk", "first")

    async def meanwhile() -> None:
        await there.executions.enter_state("talk", "second")

    await held_up(backend, here.tenant, settle=meanwhile).synchronise("talk")
    queue = OneTenants(maintenance(backend).unsynchronised, here.tenant)
    while await queue.take(10):  # so that notes alone tell of it
        pass
    await worker(backend, here.tenant).once()
    await lose(backend, here.tenant)
    assert (await here.executions.require("talk")).current_state == "second"


@contract
async def test_a_reset_context_is_not_restored_from(backend: Backend) -> None:
    """Until the state changed, or is asked to be there again."""
    here, there = both(backend)
    state = await kept(here, slots={"a": 1})
    await there.contexts.reset("talk", "started over")
    again = await here.executions.sync_to_context("talk")
    assert again.slots == {"a": 1}
    await there.contexts.reset("talk")
    reset = await there.contexts.require("talk")
    assert reset.slots == EMPTY
    await lose(backend, here.tenant)
    assert await here.executions.get("talk") is None
    assert exact(await here.contexts.get("talk")) == exact(reset)
    anew = await here.executions.save(drafted(slots={"b": 2}))
    assert (await here.executions.sync_to_context("talk")).slots == {"b": 2}
    assert anew.revision == state.revision == 1


@contract
async def test_what_is_changed_of_the_context_is_restored_with_it(backend: Backend) -> None:
    """It is the durable one: whoever corrects it there is heard."""
    here, there = both(backend)
    await kept(here, slots={"a": 1}, variables={"b": 2})
    await there.contexts.patch("talk", slots={"a": "corrected"})
    await lose(backend, here.tenant)
    found = await here.executions.require("talk")
    assert (found.slots, found.variables) == ({"a": "corrected"}, {"b": 2})


@contract
async def test_all_of_many_synchronisations_and_changes_take_effect(backend: Backend) -> None:
    """In whatever order: in the end the context holds the last state."""
    scopes = both(backend)
    await kept(scopes[0])

    async def act(number: int, scope: TenantScope) -> ExecutionState | None:
        if number % 2:
            return await scope.executions.update_slots("talk", {f"{number}": number})
        await scope.executions.sync_to_context("talk")
        return None

    _, lost = split(await all_at_once(scopes, act))
    assert lost == []
    state = await scopes[0].executions.require("talk")
    stored = await scopes[1].executions.sync_to_context("talk")
    assert stored.execution is not None
    assert (stored.execution.revision, stored.slots) == (state.revision, state.slots)
    assert len(state.slots) == 4


@contract
async def test_stale_contexts_are_told(scope: TenantScope) -> None:
    """A synchronisation is a write to the context, as every other."""
    scope = synchronised(scope)
    await begun(scope)
    before = await scope.executions.sync_to_context("talk")
    await scope.executions.enter_state("talk", "x")
    after = await scope.executions.sync_to_context("talk")
    assert isinstance(await raised_by(scope.contexts.save(before)), ConflictError)
    assert exact(await scope.contexts.get("talk")) == exact(after)


@contract
async def test_where_it_is_switched_off_it_says_so(backend: Backend) -> None:
    """And nothing is restored."""
    tenant = backend.tenant()
    here, there = (instance.scope(tenant) for instance in backend.instances[:2])
    await kept(synchronised(here))
    assert isinstance(
        await raised_by(here.executions.sync_to_context("talk")), UnsupportedOperationError
    )
    await lose(backend, here.tenant)
    assert await there.executions.get("talk") is None
