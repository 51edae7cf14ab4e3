"""Execution contexts: one a conversation, saved by compare-and-set, reset to its beginning."""

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs

from domain.contexts import MAX_PREVIOUS_STATES, ExecutionContext, RecognizedIntent
from domain.documents import EMPTY
from domain.errors import ValidationError
from domain.identity import Draft
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.dialogues import begun
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    TenantMismatchError,
)
from ports.stores import TenantScope

TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
FLOW = UUID(int=7 << 64)


def full(id: str) -> Draft[ExecutionContext]:
    """A draft with something in most of its fields."""
    return ExecutionContext.draft(
        id,
        user_id="ada",
        flow_id=FLOW,
        current_state="ask",
        previous_states=["start", "start"],
        slots={"a.b": {"$x": 3.0}},
        variables={"n": [1, None]},
        user_profile={"name": "Ada"},
    )


async def saved(scope: TenantScope, id: str = "talk") -> ExecutionContext:
    """A stored context that went through something."""
    made = await scope.contexts.save(full(id))
    moved = made.entered("end").understood(
        RecognizedIntent(intent="greet", confidence=0.5, at=TIME)
    )
    results = attrs.evolve(moved, error_count=3, integration_results=made.slots)
    return await scope.contexts.save(results)


@contract
async def test_a_context_is_found_by_its_conversation(backend: Backend) -> None:
    """As it was saved; there is none before, and none of another tenant's."""
    here, there = backend.rivals()
    assert await here.contexts.get("talk") is None
    stored = await saved(here)
    assert (stored.conversation_id, stored.tenant_id) == ("talk", here.tenant)
    assert (stored.current_state, stored.previous_states) == ("end", ("start", "start", "ask"))
    assert exact(await there.contexts.get("talk")) == exact(stored)
    assert await backend.fresh().contexts.get("talk") is None


@contract
async def test_a_draft_is_saved_once(backend: Backend, scope: TenantScope) -> None:
    """At revision 1; a second one for the conversation is refused, and changes nothing."""
    made = await scope.contexts.save(full("talk"))
    assert (made.revision, made.created_at, made.updated_at) == (1, *[backend.clock.kept] * 2)
    error = await raised_by(scope.contexts.save(ExecutionContext.draft("talk", user_id="bob")))
    assert isinstance(error, DuplicateEntityError)
    assert (error.entity_type, error.key) == ("execution_context", ("id",))
    assert exact(await scope.contexts.get("talk")) == exact(made)


@contract
async def test_a_saved_context_stands_one_revision_on(backend: Backend, scope: TenantScope) -> None:
    """Whatever was changed of it; a stale one is told, and loses nothing."""
    made = await scope.contexts.save(full("talk"))
    now = backend.clock.advance(minutes=1)
    stored = await scope.contexts.save(made.entered("end"))
    expected = attrs.evolve(made.entered("end"), updated_at=now, revision=2)
    assert exact(stored) == exact(expected)
    error = await raised_by(scope.contexts.save(made.entered("elsewhere")))
    assert isinstance(error, ConflictError)
    assert (error.entity_id, error.expected, error.actual) == ("talk", 1, 2)
    assert exact(await scope.contexts.get("talk")) == exact(expected)


@contract
async def test_what_can_not_be_saved_is_refused(backend: Backend, scope: TenantScope) -> None:
    """What isn't there, is another tenant's, or no context."""
    theirs = await saved(backend.fresh())
    assert isinstance(await raised_by(scope.contexts.save(theirs)), TenantMismatchError)
    gone = await saved(scope)
    await scope.contexts.delete("talk")
    assert isinstance(await raised_by(scope.contexts.save(gone)), EntityNotFoundError)
    wrong: Any = {"id": "talk"}
    bad_id: Any = 3
    for error in await raised_by_each(
        scope.contexts.save(wrong),
        scope.contexts.get(""),
        scope.contexts.get(bad_id),
        scope.contexts.reset("x" * 129),
        scope.contexts.reset("talk", "r" * 501),
    ):
        assert isinstance(error, ValidationError)
    assert await scope.contexts.count() == 0


@contract
async def test_a_context_may_come_before_its_conversation(scope: TenantScope) -> None:
    """Or after it; neither asks for the other."""
    first = await saved(scope, "first")
    await begun(scope, "first")
    await begun(scope, "second")
    second = await saved(scope, "second")
    assert exact(await scope.contexts.get("first")) == exact(first)
    assert exact(await scope.contexts.get("second")) == exact(second)


@contract
async def test_of_many_that_save_a_first_context_exactly_one_wins(backend: Backend) -> None:
    """And of many that save its next revision; the others are told."""
    scopes = backend.rivals()

    def first(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionContext]:
        return scope.contexts.save(ExecutionContext.draft("talk", user_id=f"{number}"))

    won, lost = split(await all_at_once(scopes, first))
    assert (len(won), {type(error) for error in lost}) == (1, {DuplicateEntityError})
    made: ExecutionContext = won[0]

    def following(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionContext]:
        return scope.contexts.save(made.entered(f"s{number}"))

    won, lost = split(await all_at_once(scopes, following))
    assert (len(won), {type(error) for error in lost}) == (1, {ConflictError})
    assert exact(await scopes[1].contexts.get("talk")) == exact(won[0])


@contract
async def test_a_reset_forgets_all_but_whose_it_is(backend: Backend, scope: TenantScope) -> None:
    """User, flow and profile stay; the reason and the time are kept, one revision on."""
    before = await saved(scope)
    now = backend.clock.advance(minutes=1)
    reset = await scope.contexts.reset("talk", "started over")
    assert exact(reset) == exact(
        attrs.evolve(
            before,
            current_state=None,
            previous_states=(),
            slots=EMPTY,
            variables=EMPTY,
            intent_history=(),
            integration_results=EMPTY,
            error_count=0,
            reset_reason="started over",
            reset_at=now,
            updated_at=now,
            revision=3,
        )
    )
    assert exact(await scope.contexts.get("talk")) == exact(reset)
    assert (await scope.contexts.reset("talk")).reset_reason is None


@contract
async def test_a_reset_is_a_compare_and_set_if_asked(scope: TenantScope) -> None:
    """A stale revision is told, and so is a context that there isn't."""
    stored = await saved(scope)
    error = await raised_by(scope.contexts.reset("talk", expected_revision=1))
    assert isinstance(error, ConflictError)
    assert (error.expected, error.actual) == (1, 2)
    assert exact(await scope.contexts.get("talk")) == exact(stored)
    missing = await raised_by(scope.contexts.reset("nobody's"))
    assert isinstance(missing, EntityNotFoundError)
    assert (missing.entity_type, missing.entity_id) == ("execution_context", "nobody's")
    assert (await scope.contexts.reset("talk", expected_revision=2)).revision == 3


@contract
async def test_resets_at_once_follow_each_other(backend: Backend) -> None:
    """Each is a write of its own; patches in between are kept or forgotten, as they come."""
    scopes = backend.rivals()
    await saved(scopes[0])

    def act(number: int, scope: TenantScope) -> Coroutine[Any, Any, ExecutionContext]:
        if number // 2 % 2:
            return scope.contexts.patch("talk", error_count=number)
        return scope.contexts.reset("talk", f"{number}")

    won, lost = split(await all_at_once(scopes, act))
    assert lost == []
    assert sorted(context.revision for context in won) == list(range(3, 3 + len(won)))
    last = max(won, key=lambda context: context.revision)
    assert exact(await scopes[1].contexts.get("talk")) == exact(last)
    assert last.slots == EMPTY


@contract
async def test_bounded_histories_are_stored_whole(scope: TenantScope) -> None:
    """All the states and intents that a context remembers, in their order."""
    made = await scope.contexts.save(ExecutionContext.draft("talk", user_id="ada"))
    walked = made
    for n in range(MAX_PREVIOUS_STATES + 5):
        walked = walked.entered(f"s{n}").understood(RecognizedIntent(intent=f"i{n}", at=TIME))
    stored = await scope.contexts.save(walked)
    assert stored.previous_states[0] == "s4"
    assert exact(stored) == exact(attrs.evolve(walked, revision=2))
    assert exact(await scope.contexts.get("talk")) == exact(stored)
