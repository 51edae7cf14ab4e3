"""Sessions: found by their token alone, and changed by compare-and-set."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations import Channel
from domain.documents import EMPTY, JsonObject
from domain.errors import ValidationError
from domain.identity import UserId
from domain.sessions import LONGEST_IDLE, LONGEST_LIFE, SHORTEST, Session, handle_of
from ports.contracts.exact import exact
from ports.contracts.harness import (
    Backend,
    contract,
    examples,
    raised_by,
    raised_by_each,
)
from ports.contracts.strategies import identifiers, json_objects
from ports.errors import ConflictError, EntityNotFoundError, TenantMismatchError
from ports.sessions import SessionStore
from ports.stores import TenantScope

Acting = Callable[[SessionStore, str], Awaitable[object]]

CHANGES: dict[str, Acting] = {
    "modify": lambda sessions, token: sessions.modify(
        token, lambda found: attrs.evolve(found, conversation_id="x")
    ),
    "patch": lambda sessions, token: sessions.patch(token, conversation_id="x"),
    "merge": lambda sessions, token: sessions.merge(token, context={"x": 1}),
    "extend": lambda sessions, token: sessions.extend(token, lifetime=timedelta(hours=1)),
    "rotate": lambda sessions, token: sessions.rotate(token),
}
"""Everything that changes a session, by its token."""

IDLES = st.sampled_from([SHORTEST, timedelta(seconds=1, milliseconds=1), LONGEST_IDLE])
LIVES = st.sampled_from([SHORTEST, timedelta(hours=1, milliseconds=7), LONGEST_LIFE])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "conversation_id": st.none() | identifiers(128),
    "channel": st.sampled_from(Channel),
    "context": json_objects(),
    "preferences": json_objects(),
    "features": json_objects(),
}
"""What may be changed of a session."""


@contract
async def test_a_session_begins_now(backend: Backend, scope: TenantScope) -> None:
    """With what it was given, and half an hour unused, twelve hours in all, unless told."""
    issued = await scope.sessions.create("ada", channel="voice", context={"a": [1, 1.0]})
    now = backend.clock.kept
    expected = Session(
        id=issued.session.id,
        tenant_id=scope.tenant,
        user_id=issued.session.user_id,
        channel=Channel.VOICE,
        context=JsonObject.of({"a": [1, 1.0]}),
        created_at=now,
        updated_at=now,
        last_activity_at=now,
        idle_timeout=timedelta(minutes=30),
        expires_at=now + timedelta(hours=12),
    )
    assert exact(issued.session) == exact(expected)
    assert issued.session.idle_expires_at == now + timedelta(minutes=30)
    assert exact(await scope.sessions.get(issued.token)) == exact(expected)


@given(user=identifiers(256), fields=st.fixed_dictionaries(FIELDS), idle=IDLES, life=LIVES)
@examples(0.5)
@contract
async def test_what_is_created_comes_back(
    backend: Backend,
    user: str,
    fields: dict[str, Any],
    idle: timedelta,
    life: timedelta,
) -> None:
    """To the letter, through another instance as well, by its token and among its user's."""
    here, there = backend.rivals()
    issued = await here.sessions.create(user, **fields, idle_timeout=idle, lifetime=life)
    assert exact({name: getattr(issued.session, name) for name in fields}) == exact(fields)
    assert (issued.session.user_id, issued.session.idle_timeout) == (user, idle)
    assert issued.session.expires_at == backend.clock.kept + life
    assert exact(await there.sessions.get(issued.token)) == exact(issued.session)
    assert exact(await there.sessions.for_user(user)) == exact((issued.session,))


@given(before=st.fixed_dictionaries(FIELDS), after=st.fixed_dictionaries(FIELDS))
@examples(0.5)
@contract
async def test_what_is_updated_comes_back(
    backend: Backend, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """One revision on, to the letter, and nothing else is changed."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", **before)
    now = backend.clock.advance(seconds=1)
    edited = attrs.evolve(issued.session, **after)
    stored = await here.sessions.update(edited)
    expected = attrs.evolve(edited, revision=2, updated_at=now, last_activity_at=now)
    assert exact(stored) == exact(expected)
    assert exact(await there.sessions.get(issued.token)) == exact(expected)


@contract
async def test_tokens_are_secrets_that_nothing_repeats(scope: TenantScope) -> None:
    """Each is new; none is in a session, in what is printed, or in an error."""
    issued = [await scope.sessions.create("ada") for _ in range(20)]
    tokens = {each.token for each in issued}
    assert len(tokens) == len({each.session.id for each in issued}) == 20
    for each in issued:
        assert re.fullmatch(r"[A-Za-z0-9_-]{47}", each.token)
        assert each.token not in repr(each) + repr(exact(each.session))
        assert each.session.id == handle_of(each.token)
    gone = issued[0]
    assert await scope.sessions.delete(gone.token)
    error = await raised_by(scope.sessions.patch(gone.token, conversation_id="x"))
    assert isinstance(error, EntityNotFoundError)
    assert (error.entity_type, error.entity_id) == ("session", gone.session.id)
    assert gone.token not in f"{error}{error!r}{vars(error)}"


@pytest.mark.parametrize("act", CHANGES, ids=str)
@contract(still=True)
async def test_a_token_that_stands_for_nothing_changes_nothing(
    backend: Backend, scope: TenantScope, act: str
) -> None:
    """Whether it never was one, is another tenant's, or is a session's id, isn't told."""
    theirs = await backend.fresh().sessions.create("ada")
    ours = await scope.sessions.create("ada")
    for token in (
        theirs.token,
        ours.session.id,
        ours.token[:-1] + ("A" if ours.token[-1] != "A" else "B"),
        ours.token + "\n",
        "",
        "x" * 100_000,
        "../*{a}:%\x00\ud800",
    ):
        assert await scope.sessions.get(token) is None
        assert not await scope.sessions.delete(token)
        required, changed = await raised_by_each(
            scope.sessions.require(token), CHANGES[act](scope.sessions, token)
        )
        assert isinstance(required, EntityNotFoundError)
        assert isinstance(changed, EntityNotFoundError)
        assert required.entity_id == changed.entity_id == handle_of(token)
    assert exact(await scope.sessions.get(ours.token)) == exact(ours.session)


@contract
async def test_all_that_a_session_can_not_have_is_named_at_once(scope: TenantScope) -> None:
    """How long it may live included, which isn't a field of its own."""
    wrong: dict[str, Any] = {"channel": "fax", "idle_timeout": timedelta(0), "lifetime": 60}
    error = await raised_by(scope.sessions.create("", **wrong))
    assert isinstance(error, ValidationError)
    assert {fault.path for fault in error.faults} == {"user_id", *wrong}


@contract(still=True)
async def test_what_can_not_be_is_refused(backend: Backend, scope: TenantScope) -> None:
    """Before the store is asked; nothing is created or changed."""
    made = await scope.sessions.create("ada")
    sessions: Any = scope.sessions
    second = timedelta(seconds=1)
    refused: list[Any] = [timedelta(0), -second, timedelta(microseconds=500), 60, True, 1.0, "1h"]
    spans = [*refused, second + timedelta(microseconds=1), timedelta(days=10_000)]
    attempts = [
        *(sessions.create("bob", idle_timeout=span) for span in [*spans, None, float("nan")]),
        *(sessions.create("bob", lifetime=span) for span in [*spans, None, float("nan")]),
        *(sessions.extend(made.token, idle_timeout=span) for span in spans),
        *(sessions.extend(made.token, lifetime=span) for span in spans),
        sessions.extend(made.token),
        sessions.create(""),
        sessions.create("b\nob"),
        sessions.create("bob", channel="fax"),
        sessions.create("bob", context={"n": float("nan")}),
        sessions.create("bob", context={"big": "x" * 300_000}),
        sessions.create("bob", conversation_id=""),
        sessions.patch(made.token),
        sessions.patch(made.token, user_id="bob"),
        sessions.patch(made.token, expires_at=made.session.created_at),
        sessions.patch(made.token, channel=None),
        sessions.patch(made.token, 0, conversation_id="x"),
        sessions.merge(made.token),
        sessions.merge(made.token, context=[]),
        sessions.merge(made.token, preferences={"big": "x" * 100_000}),
        sessions.modify(made.token, lambda found: found, True),
        sessions.modify(made.token, lambda found: attrs.evolve(found, id="other")),
        sessions.modify(made.token, lambda found: attrs.evolve(found, revision=7)),
        sessions.modify(made.token, lambda found: {"id": found.id}),
        sessions.update({"id": made.session.id}),
        sessions.get(None),
        sessions.get(made.token.encode()),
        sessions.delete(3),
        sessions.revoke(None),
        sessions.for_user(""),
        sessions.delete_for_user("ada", keep=3),
    ]
    for place, error in enumerate(await raised_by_each(*attempts)):
        assert isinstance(error, ValidationError), place
        assert made.token not in str(error)
    assert await scope.sessions.for_user("bob") == ()
    assert exact(await scope.sessions.get(made.token)) == exact(made.session)


@contract
async def test_another_tenants_session_is_refused(backend: Backend, scope: TenantScope) -> None:
    """It is theirs, whatever its id."""
    theirs = await backend.fresh().sessions.create("ada")
    error = await raised_by(scope.sessions.update(theirs.session))
    assert isinstance(error, TenantMismatchError)
    assert not await scope.sessions.revoke(theirs.session.id)
    assert await scope.sessions.for_user("ada") == ()
    assert await scope.sessions.delete_for_user("ada") == 0


@contract(still=True)
async def test_a_stale_update_is_told_and_loses_nothing(scope: TenantScope) -> None:
    """Whoever read before another wrote gets a conflict."""
    issued = await scope.sessions.create("ada")
    won = await scope.sessions.update(attrs.evolve(issued.session, conversation_id="first"))
    error = await raised_by(
        scope.sessions.update(attrs.evolve(issued.session, conversation_id="second"))
    )
    assert isinstance(error, ConflictError)
    assert (error.entity_id, error.expected, error.actual) == (issued.session.id, 1, 2)
    patched = await raised_by(scope.sessions.patch(issued.token, 1, conversation_id="third"))
    assert isinstance(patched, ConflictError)
    assert (patched.expected, patched.actual) == (1, 2)
    assert exact(await scope.sessions.get(issued.token)) == exact(won)
    assert (await scope.sessions.patch(issued.token, 2, conversation_id="x")).revision == 3


@contract(still=True)
async def test_a_sessions_user_never_changes(scope: TenantScope) -> None:
    """Who logs in gets a new session; this one, and who it is listed with, stays."""
    issued = await scope.sessions.create("ada")
    theirs = attrs.evolve(issued.session, user_id=UserId("eve"))
    for error in await raised_by_each(
        scope.sessions.update(theirs), scope.sessions.modify(issued.token, lambda found: theirs)
    ):
        assert isinstance(error, ValidationError)
        assert [fault.path for fault in error.faults] == ["user_id"]
    assert exact(await scope.sessions.get(issued.token)) == exact(issued.session)
    assert await scope.sessions.for_user("eve") == ()


@contract
async def test_an_update_leaves_to_the_store_what_is_its_own(
    backend: Backend, scope: TenantScope
) -> None:
    """When it was created, last used and ends at the latest; the idle timeout is the caller's."""
    issued = await scope.sessions.create("ada", lifetime=timedelta(hours=1))
    now = backend.clock.advance(minutes=1)
    later = now + timedelta(days=9)
    stored = await scope.sessions.update(
        attrs.evolve(
            issued.session,
            created_at=later,
            last_activity_at=later,
            expires_at=later,
            idle_timeout=timedelta(minutes=3),
        )
    )
    expected = attrs.evolve(
        issued.session,
        updated_at=now,
        last_activity_at=now,
        idle_timeout=timedelta(minutes=3),
        revision=2,
    )
    assert exact(stored) == exact(expected)
    assert exact(await scope.sessions.get(issued.token)) == exact(expected)
    backend.clock.advance(minutes=3)
    assert await scope.sessions.get(issued.token) is None


@contract(still=True)
async def test_a_merge_sets_keys_and_leaves_the_others(scope: TenantScope) -> None:
    """None is a value; what is within a key is replaced whole."""
    before = {"kept": 1.0, "set": 1, "none": 1, "deep": {"a": 1}}
    issued = await scope.sessions.create("ada", context=before, features={"f": True})
    merged = await scope.sessions.merge(
        issued.token, context={"set": 2, "none": None, "deep": {"b": 2}}, preferences={"a.b": "$"}
    )
    assert exact(merged.context) == exact(
        JsonObject.of({"kept": 1.0, "set": 2, "none": None, "deep": {"b": 2}})
    )
    assert (merged.preferences, merged.features) == ({"a.b": "$"}, {"f": True})
    assert merged.revision == 2
    assert exact(await scope.sessions.get(issued.token)) == exact(merged)
    emptied = await scope.sessions.patch(issued.token, context={})
    assert exact(emptied.context) == exact(EMPTY)


@contract
async def test_a_modification_that_changes_nothing_writes_nothing(
    backend: Backend, scope: TenantScope
) -> None:
    """It doesn't even count as a use."""
    issued = await scope.sessions.create("ada")
    backend.clock.advance(minutes=1)
    same = await scope.sessions.modify(issued.token, lambda found: found)
    assert exact(same) == exact(issued.session)
    found = await scope.sessions.get(issued.token, touch=False)
    assert exact(found) == exact(issued.session)


@contract
async def test_a_deleted_session_is_gone_at_once(backend: Backend) -> None:
    """For every instance, everywhere, and by whichever name it was ended."""
    here, there = backend.rivals()
    one, two = [await here.sessions.create("ada") for _ in range(2)]
    assert await here.sessions.delete(one.token)
    assert await there.sessions.revoke(two.session.id)
    for issued in (one, two):
        assert await there.sessions.get(issued.token) is None
        assert not await here.sessions.delete(issued.token)
        assert not await here.sessions.revoke(issued.session.id)
        error = await raised_by(there.sessions.update(issued.session))
        assert isinstance(error, EntityNotFoundError)
    assert not await here.sessions.revoke("no id")
    assert await here.sessions.for_user("ada") == ()


@contract(still=True)
async def test_who_knows_an_id_can_not_act_as_its_user(scope: TenantScope) -> None:
    """An id ends a session, and opens none."""
    issued = await scope.sessions.create("ada")
    assert await scope.sessions.get(issued.session.id) is None
    assert not await scope.sessions.delete(issued.session.id)
    assert not await scope.sessions.revoke(issued.token)
    assert exact(await scope.sessions.get(issued.token)) == exact(issued.session)


@contract
async def test_a_rotated_session_goes_on_under_another_token(
    backend: Backend, scope: TenantScope
) -> None:
    """The old one is dead at once; a change under way to the session as it was is refused."""
    issued = await scope.sessions.create("ada", context={"a": 1})
    now = backend.clock.advance(minutes=1)
    rotated = await scope.sessions.rotate(issued.token)
    assert rotated.token != issued.token
    assert exact(rotated.session) == exact(
        attrs.evolve(
            issued.session,
            id=handle_of(rotated.token),
            revision=2,
            updated_at=now,
            last_activity_at=now,
        )
    )
    assert exact(await scope.sessions.get(rotated.token)) == exact(rotated.session)
    assert exact(await scope.sessions.for_user("ada")) == exact((rotated.session,))
    assert await scope.sessions.get(issued.token) is None
    assert not await scope.sessions.revoke(issued.session.id)
    for error in await raised_by_each(
        scope.sessions.update(issued.session),
        *(act(scope.sessions, issued.token) for act in CHANGES.values()),
    ):
        assert isinstance(error, EntityNotFoundError)
    assert await scope.sessions.delete(rotated.token)
    assert await scope.sessions.for_user("ada") == ()
