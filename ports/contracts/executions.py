"""Execution states: one a conversation, changed by compare-and-set, kept for a while."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.executions import LONGEST_TTL, MAX_INTENTS, MAX_PREVIOUS_STATES, ExecutionState
from domain.identity import Draft
from ports.contracts.concurrency import RACERS, all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.harness import (
    Backend,
    contract,
    examples,
    raised_by,
    raised_by_each,
)
from ports.contracts.strategies import identifiers, json_objects, text
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    TenantMismatchError,
)
from ports.executions import ExecutionStore
from ports.stores import TenantScope

CHANGERS = 50
MINUTE = timedelta(minutes=1)
FLOW = UUID(int=7 << 64)
Acting = Callable[..., Awaitable[object]]

CHANGES: dict[str, Acting] = {
    "modify": lambda states, id, **fence: states.modify(
        id, lambda found: found.took_turn(), **fence
    ),
    "patch": lambda states, id, **fence: states.patch(id, current_state=None, **fence),
    "enter_state": lambda states, id, **fence: states.enter_state(id, "next", **fence),
    "update_slots": lambda states, id, **fence: states.update_slots(id, {"x": 1}, **fence),
    "update_variables": lambda states, id, **fence: states.update_variables(id, {"x": 1}, **fence),
    "extend": lambda states, id, **fence: states.extend(id, MINUTE, **fence),
}
"""Everything that changes a state, by its conversation."""

_COUNTS = st.sampled_from([0, 1, 2**53 + 1, 2**63 - 1])
_MILLISECONDS = st.sampled_from([0.0, -0.0, 3.0, 0.1, 1e15, 5e-324])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "flow_id": st.none() | st.uuids(),
    "flow_version": st.none() | text(50),
    "current_state": st.none() | text(255, 1),
    "previous_states": st.lists(text(255, 1), max_size=3).map(tuple),
    "slots": json_objects(),
    "variables": json_objects(),
    "intent_stack": st.lists(text(200, 1), max_size=3).map(tuple),
    "turn_count": _COUNTS,
    "error_count": _COUNTS,
    "retry_count": _COUNTS,
    "timings": st.dictionaries(text(100, 1), _MILLISECONDS, max_size=3),
    "ttl": st.sampled_from([timedelta(seconds=1), timedelta(hours=1, milliseconds=7), LONGEST_TTL]),
}
"""What may be changed of a state."""


def drafted(id: str = "talk", **fields: Any) -> Draft[ExecutionState]:
    """A draft of a state."""
    return ExecutionState.draft(id, **fields)


async def saved(states: ExecutionStore, id: str = "talk", **fields: Any) -> ExecutionState:
    """A stored state."""
    return await states.save(drafted(id, **fields))


@contract
async def test_a_state_is_found_by_its_conversation(backend: Backend) -> None:
    """As it was saved; there is none before, and none of another tenant's."""
    here, there = backend.rivals()
    assert await here.executions.get("talk") is None
    missing = await raised_by(here.executions.require("talk"))
    assert isinstance(missing, EntityNotFoundError)
    assert (missing.entity_type, missing.entity_id) == ("execution_state", "talk")
    stored = await saved(here.executions, flow_id=FLOW, current_state="ask", slots={"a.b": [1.0]})
    now = backend.clock.kept
    assert (stored.conversation_id, stored.tenant_id) == ("talk", here.tenant)
    assert (stored.revision, stored.created_at, stored.updated_at) == (1, now, now)
    assert (stored.ttl, stored.expires_at) == (timedelta(days=1), now + timedelta(days=1))
    assert exact(await there.executions.get("talk")) == exact(stored)
    assert exact(await there.executions.require("talk")) == exact(stored)
    assert await backend.fresh().executions.get("talk") is None


@given(id=identifiers(128), before=st.fixed_dictionaries({}, optional=FIELDS), data=st.data())
@examples(0.6)
@contract
async def test_what_is_saved_comes_back(
    backend: Backend, id: str, before: dict[str, Any], data: st.DataObject
) -> None:
    """To the letter, as a draft and as the next revision."""
    here, there = backend.rivals()
    drafted = {
        name: value
        for name, value in before.items()
        if name not in ("turn_count", "error_count", "retry_count", "timings")
    }
    made = await saved(here.executions, id, **drafted)
    assert exact(await there.executions.get(id)) == exact(made)
    now = backend.clock.advance(milliseconds=1)
    after = attrs.evolve(made, **data.draw(st.fixed_dictionaries(FIELDS)))
    stored = await there.executions.save(after)
    assert exact(stored) == exact(attrs.evolve(after, revision=2, updated_at=now))
    assert exact(await here.executions.get(id)) == exact(stored)


@contract
async def test_a_draft_is_saved_once(scope: TenantScope) -> None:
    """A second one for the conversation is refused, and changes nothing."""
    made = await saved(scope.executions, slots={"a": 1})
    error = await raised_by(saved(scope.executions))
    assert isinstance(error, DuplicateEntityError)
    assert (error.entity_type, error.key) == ("execution_state", ("id",))
    assert exact(await scope.executions.get("talk")) == exact(made)
    assert await scope.executions.delete("talk")
    assert (await saved(scope.executions)).revision == 1


@contract
async def test_a_stale_state_is_told_and_loses_nothing(scope: TenantScope) -> None:
    """Whoever read before another wrote gets a conflict."""
    made = await saved(scope.executions)
    won = await scope.executions.save(made.entered("first"))
    error = await raised_by(scope.executions.save(made.entered("second")))
    assert isinstance(error, ConflictError)
    assert (error.entity_id, error.expected, error.actual) == ("talk", 1, 2)
    for refused in await raised_by_each(
        scope.executions.enter_state("talk", "x", expected_revision=1),
        scope.executions.update_slots("talk", {}, expected_revision=1),
        scope.executions.update_variables("talk", {}, expected_revision=3),
        scope.executions.patch("talk", 1, turn_count=3),
        scope.executions.modify("talk", lambda found: found, 1),
    ):
        assert isinstance(refused, ConflictError)
        assert refused.actual == 2
    assert exact(await scope.executions.get("talk")) == exact(won)


@contract
async def test_what_can_not_be_saved_is_refused(backend: Backend, scope: TenantScope) -> None:
    """Before the store is asked; nothing is changed."""
    theirs = await saved(backend.fresh().executions)
    assert isinstance(await raised_by(scope.executions.save(theirs)), TenantMismatchError)
    made = await saved(scope.executions)
    states: Any = scope.executions
    second = timedelta(seconds=1)
    spans = [timedelta(0), -second, 60, True, 1.0, "1h", None, float("nan"), timedelta(days=10_000)]
    attempts = [
        *(states.extend("talk", span) for span in [*spans, second + timedelta(microseconds=1)]),
        *(states.patch("talk", ttl=span) for span in spans),
        *(
            states.save(made, fencing_token=token)
            for token in (-1, True, 1.0, "1", 2**53, float("nan"))
        ),
        states.save({"id": "talk"}),
        states.get(""),
        states.get(3),
        states.delete("x" * 129),
        states.enter_state("talk", ""),
        states.enter_state("talk", None),
        states.update_slots("talk", [1]),
        states.update_slots("talk", None),
        states.update_variables("talk", {"n": float("inf")}),
        states.update_slots("talk", {"big": "x" * 300_000}),
        states.patch("talk"),
        states.patch("talk", previous_states=["a"]),
        states.patch("talk", updated_at=made.updated_at),
        states.patch("talk", intent_stack=["a"] * (MAX_INTENTS + 1)),
        states.patch("talk", turn_count=-1),
        states.patch("talk", 0, turn_count=1),
        states.modify("talk", lambda found: attrs.evolve(found, id="other")),
        states.modify("talk", lambda found: attrs.evolve(found, revision=9)),
    ]
    for place, error in enumerate(await raised_by_each(*attempts)):
        assert isinstance(error, ValidationError), place
    assert exact(await scope.executions.get("talk")) == exact(made)
    assert await scope.executions.get("other") is None


@contract
async def test_states_are_entered_and_the_last_ones_remembered(scope: TenantScope) -> None:
    """Fifty of them; the oldest go first."""
    await saved(scope.executions, current_state="s0", previous_states=["a"] * MAX_PREVIOUS_STATES)
    for number in range(1, 4):
        entered = await scope.executions.enter_state("talk", f"s{number}")
        assert (entered.current_state, entered.revision) == (f"s{number}", number + 1)
    assert entered.previous_states == ("a",) * (MAX_PREVIOUS_STATES - 3) + ("s0", "s1", "s2")
    assert exact(await scope.executions.get("talk")) == exact(entered)


@contract
async def test_slots_and_variables_are_set_key_by_key(scope: TenantScope) -> None:
    """The others stay; None is a value; what is within a key is replaced whole."""
    await saved(scope.executions, slots={"kept": 1, "set": 1.0, "deep": {"a": 1}})
    await scope.executions.update_slots("talk", {"set": None, "deep": {"$set": {}}})
    stored = await scope.executions.update_variables("talk", {"a.b": 1})
    stored = await scope.executions.update_variables("talk", {"": 2.0})
    assert stored.slots == {"kept": 1, "set": None, "deep": {"$set": {}}}
    assert stored.variables == {"a.b": 1, "": 2.0}
    assert exact(await scope.executions.get("talk")) == exact(stored)
    patched = await scope.executions.patch("talk", slots={}, flow_version="", error_count=2)
    assert exact(await scope.executions.get("talk")) == exact(patched)
    assert (patched.slots, patched.flow_version, patched.error_count) == ({}, "", 2)


@contract
async def test_a_state_is_kept_from_its_last_write(backend: Backend) -> None:
    """To the millisecond, everywhere at once; reading it doesn't count."""
    here, there = backend.rivals()
    await saved(here.executions, ttl=MINUTE)
    for name, act in CHANGES.items():
        now = backend.clock.advance(seconds=59.999)
        await act(here.executions, "talk")
        found = await there.executions.require("talk")
        assert (found.updated_at, found.last_activity_at) == (now, now), name
        assert found.expires_at == now + MINUTE
    backend.clock.advance(seconds=59.999)
    assert await there.executions.get("talk") is not None
    backend.clock.advance(milliseconds=1)
    for scope in (here, there):
        assert await scope.executions.get("talk") is None
        assert not await scope.executions.delete("talk")


@contract
async def test_nothing_revives_a_state_that_expired(backend: Backend, scope: TenantScope) -> None:
    """No change, and no save by whoever read it in time; a draft begins anew."""
    made = await saved(scope.executions, ttl=MINUTE)
    backend.clock.advance(minutes=1)
    late = [act(scope.executions, "talk") for act in CHANGES.values()]
    for error in await raised_by_each(*late, scope.executions.save(made.entered("x"))):
        assert isinstance(error, EntityNotFoundError)
    assert await scope.executions.get("talk") is None
    anew = await saved(scope.executions)
    assert (anew.revision, anew.created_at) == (1, backend.clock.kept)


@contract
async def test_an_extension_is_real(backend: Backend) -> None:
    """From now on, and from each later write; it may shorten, too."""
    here, there = backend.rivals()
    made = await saved(here.executions, ttl=MINUTE)
    now = backend.clock.advance(seconds=30)
    longer = await there.executions.extend("talk", timedelta(days=30))
    assert exact(longer) == exact(
        attrs.evolve(made, ttl=timedelta(days=30), updated_at=now, revision=2)
    )
    backend.clock.advance(days=29)
    assert exact(await here.executions.get("talk")) == exact(longer)
    await here.executions.enter_state("talk", "x")
    backend.clock.advance(days=29)
    await there.executions.extend("talk", MINUTE)
    backend.clock.advance(minutes=1)
    assert await here.executions.get("talk") is None


@contract
async def test_a_deleted_state_is_gone_at_once(backend: Backend) -> None:
    """For every instance; it isn't written any more."""
    here, there = backend.rivals()
    made = await saved(here.executions)
    assert await there.executions.delete("talk")
    assert await here.executions.get("talk") is None
    assert not await here.executions.delete("talk")
    late = [act(there.executions, "talk") for act in CHANGES.values()]
    for error in await raised_by_each(*late, there.executions.save(made)):
        assert isinstance(error, EntityNotFoundError)
    assert await here.executions.get("talk") is None


@contract
async def test_states_of_conversations_are_told_apart(scope: TenantScope) -> None:
    """Whatever their ids."""
    ids = ["a", "a:b", "A", "a/b", "{a}", "a}:b", "%61", "á", "a\u0301", "*", "execution"]
    for number, id in enumerate(ids):
        await saved(scope.executions, id, slots={"n": number})
    for number, id in enumerate(ids):
        assert (await scope.executions.require(id)).slots == {"n": number}
    assert await scope.executions.delete("*")
    assert await scope.executions.get("a") is not None


@contract
async def test_of_many_that_save_exactly_one_wins(backend: Backend) -> None:
    """Of drafts, and of next revisions; the others are told."""
    scopes = backend.rivals()

    def first(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionState]:
        return saved(scope.executions, slots={"n": number})

    won, lost = split(await all_at_once(scopes, first))
    assert (len(won), {type(error) for error in lost}) == (1, {DuplicateEntityError})
    made: ExecutionState = won[0]

    def following(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionState]:
        return scope.executions.save(made.entered(f"s{number}"))

    won, lost = split(await all_at_once(scopes, following))
    assert (len(won), {type(error) for error in lost}) == (1, {ConflictError})
    assert exact(await scopes[1].executions.get("talk")) == exact(won[0])


@pytest.mark.parametrize("way", ["modify", "update_slots"])
@contract
async def test_all_of_many_changes_at_once_take_effect(backend: Backend, way: str) -> None:
    """Of 50: none undoes another's."""
    scopes = backend.rivals()
    await saved(scopes[0].executions)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionState]:
        if way == "modify":
            return scope.executions.modify("talk", lambda found: found.took_turn())
        return scope.executions.update_slots("talk", {f"{number}": number})

    won, lost = split(await all_at_once(scopes, act, CHANGERS))
    assert lost == []
    assert sorted(state.revision for state in won) == list(range(2, 2 + CHANGERS))
    stored = await scopes[1].executions.require("talk")
    if way == "modify":
        assert stored.turn_count == CHANGERS
    else:
        assert stored.slots == {f"{number}": number for number in range(CHANGERS)}


@contract
async def test_a_deletion_and_changes_do_not_mix(backend: Backend) -> None:
    """What was deleted stays deleted, whatever was written at the same moment."""
    scopes = backend.rivals()
    await saved(scopes[0].executions)

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, Any]:
        if number == RACERS - 1:
            return scope.executions.delete("talk")
        return scope.executions.update_slots("talk", {f"{number}": 1})

    results = await all_at_once(scopes, act)
    assert results[-1] is True
    assert {type(error) for error in split(results)[1]} <= {EntityNotFoundError}
    assert await scopes[1].executions.get("talk") is None
