"""The sessions of a user: listed as long as they live, and ended together."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples
from ports.contracts.strategies import identifiers
from ports.stores import TenantScope

DAY = timedelta(days=1)


@contract
async def test_a_users_sessions_are_listed_by_when_they_were_created(backend: Backend) -> None:
    """Those created at the same time by id; nobody else's among them."""
    here, there = backend.rivals()
    made = []
    for number in range(25):
        scope = (here, there)[number % 2]
        made.append((await scope.sessions.create("ada", context={"n": number})).session)
        await scope.sessions.create(f"ada{number}")
        if number % 3 == 0:
            backend.clock.advance(milliseconds=1)
    made.sort(key=lambda session: (session.created_at, session.id))
    for scope in (here, there):
        assert exact(await scope.sessions.for_user("ada")) == exact(tuple(made))
    assert await backend.fresh().sessions.for_user("ada") == ()


@given(users=st.lists(identifiers(256), min_size=2, max_size=4, unique=True))
@examples(0.3)
@contract
async def test_users_are_told_apart(scope: TenantScope, users: list[str]) -> None:
    """Whatever their names: each has its own sessions, and is logged out alone."""
    for number, user in enumerate(users):
        for _ in range(number):
            await scope.sessions.create(user)
    for number, user in enumerate(users):
        found = await scope.sessions.for_user(user)
        assert [session.user_id for session in found] == [user] * number
    assert await scope.sessions.delete_for_user(users[1]) == 1
    for number, user in enumerate(users):
        left = 0 if number == 1 else number
        assert len(await scope.sessions.for_user(user)) == left


@contract(still=True)
async def test_what_ended_is_listed_no_more(backend: Backend, scope: TenantScope) -> None:
    """However it ended; and what goes on is, however long it does."""
    spans = [(1, 9), (2, 9), (9, 3), (9, 4), (9, 9)]
    issued = [
        await scope.sessions.create("ada", idle_timeout=idle * DAY, lifetime=life * DAY)
        for idle, life in spans
    ]
    left = [each.session for each in issued]
    left.sort(key=lambda session: session.id)
    for _ in range(9):
        assert exact(await scope.sessions.for_user("ada")) == exact(tuple(left))
        now = backend.clock.advance(days=1)
        left = [session for session in left if now < session.idle_expires_at]
    assert left == []
    assert await scope.sessions.for_user("ada") == ()


@contract
async def test_no_session_is_lost_from_the_list_while_it_lives(backend: Backend) -> None:
    """It outlives whatever others were created, extended, rotated, ended or listed."""
    here, there = backend.rivals()
    long = await here.sessions.create("ada", idle_timeout=60 * DAY, lifetime=40 * DAY)
    short = await there.sessions.create("ada", lifetime=timedelta(minutes=1))
    await there.sessions.extend(short.token, lifetime=timedelta(minutes=2))
    rotated = await there.sessions.rotate(short.token)
    assert await here.sessions.revoke(rotated.session.id)
    grown = await there.sessions.create("ada", idle_timeout=60 * DAY, lifetime=DAY)
    await here.sessions.extend(grown.token, lifetime=80 * DAY)
    moved = await here.sessions.rotate(grown.token)
    backend.clock.advance(days=39)
    assert [one.id for one in await there.sessions.for_user("ada")] == [
        each.session.id
        for each in sorted((long, moved), key=lambda one: (one.session.created_at, one.session.id))
    ]
    await there.sessions.get(moved.token)
    backend.clock.advance(days=40)
    assert [one.id for one in await here.sessions.for_user("ada")] == [moved.session.id]
    await here.sessions.create("ada", lifetime=timedelta(minutes=1))
    backend.clock.advance(hours=23)
    assert [one.id for one in await here.sessions.for_user("ada")] == [moved.session.id]


@contract
async def test_a_list_is_never_outlived_by_a_session_that_was_extended(backend: Backend) -> None:
    """Nobody looked at the list meanwhile."""
    here, there = backend.rivals()
    issued = await here.sessions.create("ada", idle_timeout=30 * DAY, lifetime=DAY)
    await there.sessions.extend(issued.token, lifetime=20 * DAY)
    backend.clock.advance(days=19)
    assert [one.id for one in await here.sessions.for_user("ada")] == [issued.session.id]
    assert await there.sessions.delete_for_user("ada") == 1
    assert await here.sessions.get(issued.token) is None


@contract
async def test_a_user_is_logged_out_everywhere(backend: Backend) -> None:
    """Every token is dead at once; what had ended before isn't counted."""
    here, there = backend.rivals()
    await here.sessions.create("ada", idle_timeout=timedelta(seconds=1))
    backend.clock.advance(seconds=1)
    issued = [await (here, there)[n % 2].sessions.create("ada") for n in range(30)]
    other = await here.sessions.create("bob")
    assert await there.sessions.delete_for_user("ada") == 30
    for each in issued:
        assert await here.sessions.get(each.token) is None
    assert await here.sessions.for_user("ada") == ()
    assert await here.sessions.delete_for_user("ada") == 0
    assert await here.sessions.get(other.token) is not None


@contract
async def test_the_session_in_which_one_logs_out_everywhere_else_is_kept(backend: Backend) -> None:
    """If it is the user's; a token that stands for nothing of the user's keeps nothing."""
    here, there = backend.rivals()
    issued = [await here.sessions.create("ada") for _ in range(3)]
    bob = await here.sessions.create("bob")
    assert await there.sessions.delete_for_user("ada", keep=issued[1].token) == 2
    assert exact(await here.sessions.for_user("ada")) == exact((issued[1].session,))
    assert await there.sessions.delete_for_user("ada", keep=issued[1].token) == 0
    assert await here.sessions.get(issued[1].token) is not None
    for token in ("no token", issued[0].token, bob.token):
        again = await here.sessions.create("ada")
        await here.sessions.delete_for_user("ada", keep=token)
        assert await here.sessions.get(again.token) is None
        assert await there.sessions.for_user("ada") == ()
    assert await there.sessions.get(bob.token) is not None
