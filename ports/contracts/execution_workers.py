"""Workers write execution states into their contexts: all of them, also when some of them die."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.conversations import Conversation
from domain.identity import TenantId
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.executions import CHANGES, drafted
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.synchronising import (
    DiedError,
    Happening,
    OneTenants,
    begun,
    both,
    died,
    held_up,
    kept,
    lose,
    maintenance,
    other_worker,
    worker,
)
from ports.stores import TenantScope
from ports.tracking import Due, SynchronisationBacklog, Unsynchronised
from ports.write_behind import SynchronisationOptions, Synchroniser

SECOND = timedelta(seconds=1)


@contract
async def test_a_worker_writes_all_that_was_changed(backend: Backend) -> None:
    """Whoever changed it."""
    here, there = both(backend)
    for number, scope in enumerate((here, there, here)):
        await begun(scope, f"talk {number}", slots={"n": number})
    done = await worker(backend, here.tenant).once()
    assert done.written >= 3
    assert done.waiting == 0
    await lose(backend, here.tenant)
    for number in range(3):
        assert (await there.executions.require(f"talk {number}")).slots == {"n": number}


@pytest.mark.parametrize("way", CHANGES, ids=str)
@contract
async def test_every_change_leaves_a_note(backend: Backend, way: str) -> None:
    """In whichever way it is made; so it is written."""
    here, there = both(backend)
    await kept(here)
    await worker(backend, here.tenant).once()
    await CHANGES[way](here.executions, "talk")
    state = await here.executions.require("talk")
    await other_worker(backend, here.tenant).once()
    stored = await there.contexts.require("talk")
    assert stored.execution is not None
    assert stored.execution.revision == state.revision


@contract
async def test_a_deletion_that_was_not_brought_to_its_end_is(backend: Backend) -> None:
    """By a worker: who deleted died before it could tell the context. Meanwhile it stays gone."""
    here, there = both(backend)
    await kept(here)
    hot = backend.instances[0].scope(here.tenant)._hot.tracked_executions
    assert await hot.delete("talk")
    assert await there.executions.get("talk") is None
    await worker(backend, here.tenant).once()
    await lose(backend, here.tenant)
    assert await there.executions.get("talk") is None


@pytest.mark.parametrize("step", ["seen", "settle"])
@contract
async def test_what_a_worker_took_and_did_not_finish_another_one_does(
    backend: Backend, step: str
) -> None:
    """It died before it wrote the context, or before it settled the note."""
    here, there = both(backend)
    await kept(here)
    await here.executions.enter_state("talk", "x")
    dying = worker(backend, here.tenant, **{step: died})
    assert isinstance(await raised_by(dying.once()), DiedError)
    assert (await other_worker(backend, here.tenant).once()).written >= 1
    await lose(backend, here.tenant)
    assert (await there.executions.require("talk")).current_state == "x"


@contract
async def test_a_hint_that_was_lost_is_made_again(backend: Backend) -> None:
    """Somebody took it and died; a sweep goes by the notes, and is due once a while."""
    here, _ = both(backend)
    await begun(here)
    queue = OneTenants(maintenance(backend).unsynchronised, here.tenant)
    assert await queue.sweep(timedelta()) is not None
    assert list(await queue.take(10)) == [(here.tenant, "talk")]
    assert list(await queue.take(10)) == []
    backend.clock.advance(seconds=1)
    assert await queue.sweep(SECOND) is not None
    assert await queue.sweep(SECOND) is None
    assert list(await queue.take(10)) == [(here.tenant, "talk")]


@contract
async def test_what_is_put_back_is_due_after_a_while(backend: Backend) -> None:
    """Unless it is hinted at before."""
    here, _ = both(backend)
    queue = OneTenants(maintenance(backend).unsynchronised, here.tenant)
    later = [(here.tenant, "a/b"), (here.tenant, "talk")]
    await queue.put(later, after=SECOND)
    assert list(await queue.take(10)) == []
    await queue.put(later[:1])
    await queue.put(later[:1], after=SECOND)
    assert list(await queue.take(10)) == later[:1]
    backend.clock.advance(seconds=1)
    assert list(await queue.take(10)) == later[1:]


@contract
async def test_how_much_waits_is_told_and_since_when(backend: Backend) -> None:
    """What is due later waits as well, and isn't late. Other tenants' is in the same queue."""
    here, _ = both(backend)
    queue = maintenance(backend).unsynchronised
    while await queue.take(1_000):
        pass
    await queue.put([(here.tenant, "now")])
    await queue.put([(here.tenant, "later")], after=timedelta(hours=2))
    backend.clock.advance(minutes=10)
    found = await queue.backlog()
    assert found.waiting >= 2
    assert found.oldest is not None
    assert timedelta(minutes=10) <= found.late < timedelta(minutes=11)
    while await queue.take(1_000):
        pass
    found = await queue.backlog()
    assert found.waiting >= 1
    assert found.late < timedelta(minutes=10)


@contract
async def test_who_has_no_context_yet_waits(backend: Backend) -> None:
    """Until there is a conversation whose user it could have; nothing is made up."""
    here, there = both(backend)
    await here.executions.save(drafted(slots={"a": 1}))
    done = await worker(backend, here.tenant).once()
    assert done.written == 0
    assert done.waiting >= 1
    assert await there.contexts.count() == 0
    await there.conversations.create(Conversation.draft(user_id="ada", id="talk"))
    assert (await worker(backend, here.tenant).once()).written >= 1
    assert (await there.contexts.require("talk")).slots == {"a": 1}


@contract
async def test_workers_share_the_work(backend: Backend) -> None:
    """Of many at once, each conversation is written, however they meet."""
    scopes = both(backend)
    for number in range(8):
        await begun(scopes[0], f"{number}", slots={"n": number})

    async def act(number: int, scope: TenantScope) -> object:
        if number < 4:
            work = other_worker if number % 2 else worker
            return await work(backend, scope.tenant).once()
        return await scope.executions.enter_state(f"{number}", "x")

    _, lost = split(await all_at_once(scopes, act))
    assert lost == []
    await worker(backend, scopes[0].tenant).once()
    await lose(backend, scopes[0].tenant)
    for number in range(8):
        found = await scopes[1].executions.require(f"{number}")
        assert found.slots == {"n": number}
        assert found.current_state == ("x" if number >= 4 else None)


class Followed(OneTenants):
    """The queue, in which something comes whenever something was taken; knows how much there was
    when it was asked.
    """

    def __init__(self, queue: Unsynchronised, tenant: TenantId, coming: Happening) -> None:
        super().__init__(queue, tenant)
        self._coming = coming
        self.waiting = 0
        self.rounds = 0

    async def take(self, limit: int) -> Sequence[Due]:
        taken = await super().take(limit)
        self.rounds += 1
        assert self.rounds <= self.waiting + 4
        await self._coming()
        return taken

    async def backlog(self) -> SynchronisationBacklog:
        found = await super().backlog()
        self.waiting += found.waiting
        return found

    async def sweep(self, every: timedelta) -> int | None:
        return 0


@contract
async def test_a_worker_comes_to_an_end_though_more_is_changed_all_the_time(
    backend: Backend,
) -> None:
    """Who writes all but once, and who was told to end; what was there before is written."""
    here, _ = both(backend)
    await begun(here)

    async def another() -> None:
        await here.executions.enter_state("talk", "x")
        await maintenance(backend).unsynchronised.put([(here.tenant, "talk")])

    queue = Followed(maintenance(backend).unsynchronised, here.tenant, another)
    await OneTenants(maintenance(backend).unsynchronised, here.tenant).take(1_000)
    await another()
    states = held_up(backend, here.tenant)
    never = SynchronisationOptions(interval=timedelta(minutes=1))
    written = Synchroniser(queue, lambda _: states, options=never)
    await written.once()
    assert (await here.contexts.require("talk")).current_state == "x"
    async with written.running():
        pass
