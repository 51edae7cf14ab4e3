"""Sessions and execution states that were put back: they are found, go on, and expire."""

from datetime import timedelta

import attrs

from domain.executions import ExecutionState
from domain.records import KeptExecution
from domain.rules import restored
from domain.sessions import Session
from ports.archives import EXECUTIONS, SESSIONS
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.tenant_contents import archive_of, contents, put_back
from ports.errors import ConflictError
from ports.stores import TenantScope


async def erased(backend: Backend, scope: TenantScope) -> None:
    """The tenant has nothing any more."""
    store = backend.instances[1].runtime
    assert store is not None
    await store.maintenance().erase_tenant(scope.tenant)


@contract(still=True)
async def test_a_session_that_was_put_back_goes_on(backend: Backend, scope: TenantScope) -> None:
    """By the token that its client has, in its user's list, until its time is over."""
    issued = await scope.sessions.create("ada", idle_timeout=timedelta(minutes=1))
    backend.clock.advance(seconds=30)
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    assert await scope.sessions.get(issued.token) is None
    await put_back(archive, scope.tenant, before)
    assert exact(await scope.sessions.for_user("ada")) == exact((issued.session,))
    backend.clock.advance(seconds=29)
    used = await scope.sessions.require(issued.token)
    assert used.last_activity_at == backend.clock.kept
    backend.clock.advance(seconds=59)
    assert (await scope.sessions.patch(issued.token, channel="voice")).revision == 2
    backend.clock.advance(seconds=61)
    assert await scope.sessions.get(issued.token) is None
    assert await scope.sessions.for_user("ada") == ()


@contract(still=True)
async def test_what_no_store_makes_is_refused_alone(backend: Backend, scope: TenantScope) -> None:
    """An id that is no token's handle, a revision beyond what is counted exactly: whichever store
    it is. The others come in."""
    await scope.sessions.create("ada")
    await scope.sessions.create("zoe")
    for id in ("one", "two"):
        await scope.executions.save(ExecutionState.draft(id))
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    strange, session = before[SESSIONS]
    for change in ({"id": "no handle"}, {"revision": 2**53}):
        given = [restored(Session, {**vars(strange), **change}), session]
        done = await archive.restore(scope.tenant, SESSIONS, given)
        assert list(done.refused) == [0], change
    far, record = before[EXECUTIONS]
    state = restored(ExecutionState, {**vars(far.state), "revision": 2**53})
    done = await archive.restore(scope.tenant, EXECUTIONS, [attrs.evolve(far, state=state), record])
    assert (done.added, list(done.refused)) == (1, [0])
    after = await contents(archive, scope.tenant)
    assert exact(after) == exact({SESSIONS: [session], EXECUTIONS: [record]})


@contract(still=True)
async def test_expiry_goes_on(backend: Backend, scope: TenantScope) -> None:
    """What isn't used after it was put back ends when it would have: not a moment later."""
    issued = await scope.sessions.create("ada", idle_timeout=timedelta(minutes=1))
    await scope.executions.save(ExecutionState.draft("one", ttl=timedelta(minutes=1)))
    backend.clock.advance(seconds=30)
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    await put_back(archive, scope.tenant, before)
    backend.clock.advance(seconds=29)
    assert exact(await contents(archive, scope.tenant)) == exact(before)
    backend.clock.advance(seconds=1)
    assert not any((await contents(archive, scope.tenant)).values())
    assert await scope.sessions.get(issued.token) is None
    assert await scope.executions.get("one") is None


@contract(still=True)
async def test_what_has_expired_since_is_passed_over(backend: Backend, scope: TenantScope) -> None:
    """It is counted, neither stored nor refused; what hasn't goes in."""
    for idle in (60, 600):
        span = timedelta(seconds=idle)
        await scope.sessions.create(f"user {idle}", idle_timeout=span)
        await scope.executions.save(ExecutionState.draft(f"state {idle}", ttl=span))
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    backend.clock.advance(seconds=60)
    for kind, records in before.items():
        done = await archive.restore(scope.tenant, kind, records)
        assert (done.added, done.expired, dict(done.refused)) == (1, 1, {})
    assert await scope.sessions.for_user("user 60") == ()
    assert await scope.executions.get("state 60") is None
    assert len(await scope.sessions.for_user("user 600")) == 1
    assert await scope.executions.get("state 600") is not None


@contract(still=True)
async def test_a_state_that_was_put_back_goes_on_at_its_revision(
    backend: Backend, scope: TenantScope
) -> None:
    """A writer who saw an older one is told; a fencing token of the old store's locks isn't asked
    for."""
    made = await scope.executions.save(ExecutionState.draft("one"), fencing_token=900)
    later = await scope.executions.enter_state("one", "ask", fencing_token=900)
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    await erased(backend, scope)
    await put_back(archive, scope.tenant, before)
    assert isinstance(await raised_by(scope.executions.save(made)), ConflictError)
    saved = await scope.executions.save(later, fencing_token=1)
    assert saved.revision == later.revision + 1


@contract(still=True)
async def test_a_life_and_a_note_come_back(backend: Backend, scope: TenantScope) -> None:
    """As far as states are tracked: what wasn't synchronised is due again."""
    hot = scope._hot.tracked_executions
    await hot.save(ExecutionState.draft("one"))
    seen = await hot.seen("one")
    archive = archive_of(backend, Group.RUNTIME)
    before = await contents(archive, scope.tenant)
    (kept,) = before[EXECUTIONS]
    assert exact(kept) == exact(KeptExecution(state=seen.state, life=seen.life, noted=True))  # type: ignore[arg-type]  # it is there
    await erased(backend, scope)
    await put_back(archive, scope.tenant, before)
    again = await hot.seen("one")
    assert (again.life, again.note, again.state) == (seen.life, seen.note, seen.state)
    assert again.note is not None
    assert await hot.settle("one", again.note)
    done = await archive.restore(scope.tenant, EXECUTIONS, [attrs.evolve(kept, noted=True)])
    assert done.unchanged == 1
    assert not before[SESSIONS]
