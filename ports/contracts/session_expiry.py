"""The expiry of sessions: real, moved by use, and final."""

from datetime import timedelta

import attrs
import pytest

from domain.sessions import Session
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.sessions import CHANGES
from ports.errors import EntityNotFoundError
from ports.stores import TenantScope

MINUTE = timedelta(minutes=1)
ALMOST = 59.999


@contract
async def test_a_session_ends_when_it_was_not_used(backend: Backend) -> None:
    """To the millisecond, everywhere at once."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", idle_timeout=MINUTE)
    backend.clock.advance(seconds=ALMOST)
    assert await there.sessions.get(issued.token, touch=False) is not None
    backend.clock.advance(milliseconds=1)
    for scope in (here, there):
        assert await scope.sessions.get(issued.token) is None
        assert await scope.sessions.for_user("ada") == ()
        assert not await scope.sessions.delete(issued.token)
        assert not await scope.sessions.revoke(issued.session.id)
        assert await scope.sessions.delete_for_user("ada") == 0


@contract
async def test_reading_a_session_keeps_it(backend: Backend) -> None:
    """Each read moves its idle expiry, and nothing else; one that isn't to touch it doesn't."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", idle_timeout=MINUTE)
    for scope in (here, there, here):
        now = backend.clock.advance(seconds=ALMOST)
        read = await scope.sessions.get(issued.token)
        assert exact(read) == exact(attrs.evolve(issued.session, last_activity_at=now))
        assert exact(await there.sessions.get(issued.token, touch=False)) == exact(read)
    last = backend.clock.kept
    for seconds in (30, 29.999):
        backend.clock.advance(seconds=seconds)
        seen = await here.sessions.require(issued.token, touch=False)
        listed = await there.sessions.for_user("ada")
        assert seen.last_activity_at == last
        assert exact(listed) == exact((seen,))
    backend.clock.advance(milliseconds=1)
    assert await here.sessions.get(issued.token, touch=False) is None


@contract
async def test_a_session_ends_at_its_absolute_expiry_whatever_happens(backend: Backend) -> None:
    """However often it is read, written and rotated until then."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", idle_timeout=10 * MINUTE, lifetime=MINUTE)
    end = issued.session.expires_at
    assert issued.session.idle_expires_at == end
    token = issued.token
    for scope in (here, there):
        now = backend.clock.advance(seconds=20)
        read = await scope.sessions.require(token)
        assert (read.last_activity_at, read.expires_at, read.idle_expires_at) == (now, end, end)
        assert exact(await here.sessions.get(token, touch=False)) == exact(read)
        now = backend.clock.advance(seconds=1)
        await scope.sessions.merge(token, context={"at": str(now)})
        token = (await scope.sessions.rotate(token)).token
    now = backend.clock.advance(seconds=17.999)
    assert (await here.sessions.require(token)).last_activity_at == now
    assert (await there.sessions.patch(token, conversation_id="x")).idle_expires_at == end
    token = (await there.sessions.rotate(token)).token
    assert (await there.sessions.require(token)).expires_at == end
    backend.clock.advance(milliseconds=1)
    assert await there.sessions.get(token) is None
    assert await here.sessions.for_user("ada") == ()


@contract
async def test_a_use_counts_also_when_the_absolute_expiry_comes_first(
    backend: Backend, scope: TenantScope
) -> None:
    """When it was last used is known throughout, though that keeps it no longer."""
    issued = await scope.sessions.create("ada", idle_timeout=MINUTE, lifetime=timedelta(seconds=90))
    for seconds in (29, 2, 40, 0, 18.999):
        now = backend.clock.advance(seconds=seconds)
        await scope.sessions.get(issued.token)
        found = await scope.sessions.require(issued.token, touch=False)
        assert (found.last_activity_at, found.updated_at) == (now, issued.session.updated_at)
    backend.clock.advance(milliseconds=1)
    assert await scope.sessions.get(issued.token) is None


@contract
async def test_a_change_keeps_a_session_as_a_read_does(backend: Backend) -> None:
    """Each moves its idle expiry from when it was made."""
    here, there = backend.rivals()
    for name, act in CHANGES.items():
        issued = await here.sessions.create(name, idle_timeout=MINUTE)
        backend.clock.advance(seconds=ALMOST)
        await act(there.sessions, issued.token)
        backend.clock.advance(seconds=ALMOST)
        (listed,) = await there.sessions.for_user(name)
        assert listed.idle_expires_at == backend.clock.kept + timedelta(milliseconds=1)
        backend.clock.advance(milliseconds=1)
        assert await here.sessions.for_user(name) == ()


@pytest.mark.parametrize("absolute", [False, True], ids=["idle", "absolute"])
@contract
async def test_nothing_revives_a_session_that_ended(
    backend: Backend, scope: TenantScope, absolute: bool
) -> None:
    """No change, no extension, no update by whoever read it in time."""
    idle, life = (10 * MINUTE, MINUTE) if absolute else (MINUTE, 10 * MINUTE)
    issued = await scope.sessions.create("ada", idle_timeout=idle, lifetime=life)
    backend.clock.advance(minutes=1)
    late = [act(scope.sessions, issued.token) for act in CHANGES.values()]
    for error in await raised_by_each(*late, scope.sessions.update(issued.session)):
        assert isinstance(error, EntityNotFoundError)
        assert error.entity_id == issued.session.id
    assert await scope.sessions.get(issued.token) is None
    assert await scope.sessions.for_user("ada") == ()
    backend.clock.advance(days=2)
    assert await scope.sessions.for_user("ada") == ()


@contract
async def test_a_session_that_ends_during_a_change_is_not_revived(
    backend: Backend, scope: TenantScope
) -> None:
    """What was read in time is not written too late."""
    issued = await scope.sessions.create("ada", idle_timeout=MINUTE)

    def slowly(found: Session) -> Session:
        backend.clock.advance(minutes=1)
        return attrs.evolve(found, conversation_id="x")

    error = await raised_by(scope.sessions.modify(issued.token, slowly))
    assert isinstance(error, EntityNotFoundError)
    assert await scope.sessions.get(issued.token) is None


@contract
async def test_an_extension_is_real(backend: Backend) -> None:
    """It moves both expiries from now, as told, and the session lives as long as it says."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", idle_timeout=MINUTE, lifetime=2 * MINUTE)
    now = backend.clock.advance(seconds=30)
    longer = await there.sessions.extend(issued.token, lifetime=timedelta(days=2))
    assert exact(longer) == exact(
        attrs.evolve(
            issued.session,
            expires_at=now + timedelta(days=2),
            last_activity_at=now,
            updated_at=now,
            revision=2,
        )
    )
    backend.clock.advance(seconds=59)
    patient = await here.sessions.extend(issued.token, idle_timeout=timedelta(days=3))
    assert (patient.idle_timeout, patient.expires_at) == (timedelta(days=3), longer.expires_at)
    assert patient.idle_expires_at == longer.expires_at
    assert exact(await there.sessions.get(issued.token)) == exact(patient)
    backend.clock.set(longer.expires_at - timedelta(milliseconds=1))
    assert exact(await there.sessions.for_user("ada")) == exact((patient,))
    backend.clock.advance(milliseconds=1)
    assert await there.sessions.get(issued.token) is None
    assert await there.sessions.for_user("ada") == ()


@contract
async def test_an_extension_may_shorten(backend: Backend, scope: TenantScope) -> None:
    """A session can be told to end sooner, and does."""
    issued = await scope.sessions.create("ada")
    shorter = await scope.sessions.extend(issued.token, idle_timeout=2 * MINUTE, lifetime=MINUTE)
    assert shorter.idle_expires_at == backend.clock.kept + MINUTE
    backend.clock.advance(seconds=ALMOST)
    assert await scope.sessions.get(issued.token) is not None
    backend.clock.advance(milliseconds=1)
    assert await scope.sessions.get(issued.token) is None
    assert await scope.sessions.for_user("ada") == ()


@contract
async def test_a_rotation_moves_no_absolute_expiry(backend: Backend, scope: TenantScope) -> None:
    """Whoever stole a token can't keep a session for ever by rotating it."""
    issued = await scope.sessions.create("ada", idle_timeout=MINUTE, lifetime=2 * MINUTE)
    backend.clock.advance(seconds=50)
    rotated = await scope.sessions.rotate(issued.token)
    assert rotated.session.expires_at == issued.session.expires_at
    backend.clock.advance(seconds=50)
    assert await scope.sessions.get(rotated.token) is not None
    backend.clock.advance(seconds=20)
    assert await scope.sessions.get(rotated.token) is None
    assert await scope.sessions.for_user("ada") == ()
