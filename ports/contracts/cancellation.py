"""Cancellation: wherever it strikes, all of an operation or unit happened, or nothing of it did."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any

from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract
from ports.contracts.subjects import Subject
from ports.stores import TenantScope

MOST_STEPS = 1_000


@coroutine
def stepwise(work: Awaitable[Any], step: int) -> Generator[Any, Any, Any]:
    """Await `work`, cancelling the current task when it suspends for the `step`-th time, from 0."""
    steps: Any = work.__await__()
    resume: Callable[[], Any] = partial(next, steps)
    suspended = 0
    while True:
        try:
            awaited = resume()
        except StopIteration as end:
            return end.value
        task = asyncio.current_task()
        if suspended == step and task is not None:
            task.cancel()
        suspended += 1
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001  # handed on to where it belongs
            resume = partial(steps.throw, error)
        else:
            resume = partial(steps.send, sent)


async def cancelled_at(step: int, work: Coroutine[Any, Any, object]) -> bool:
    """Run `work`, cancelled at one of its suspensions; False if it had fewer and ended."""

    async def run() -> None:
        await stepwise(work, step)

    task = asyncio.create_task(run())
    await asyncio.wait({task})
    if task.cancelled():
        return True
    task.result()
    return False


async def everything(scope: TenantScope, subject: Subject) -> list[object]:
    """All that is stored."""
    return [exact(entity, {"id"}) async for entity in subject.of(scope).stream()]


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_cancelled_anywhere_is_all_or_nothing(
    backend: Backend, subject: Subject
) -> None:
    """At every await: before its end nothing is kept; and the store is as good as ever after."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        old = await subject.of(here).create(subject.draft("old"))
        before = await everything(there, subject)
        inside: list[object] = []

        async def unit(
            here: TenantScope = here, old: Any = old, inside: list[object] = inside
        ) -> None:
            async with subject.unit(here) as work:
                repository = subject.of(work)
                await repository.create_many([subject.draft("one"), subject.draft("two")])
                await asyncio.sleep(0)  # also where a store itself never waits
                await repository.update(subject.noted(old, "changed"))
                await repository.patch(old.id, **subject.remark_to("patched"))
                inside += [exact(entity, {"id"}) async for entity in repository.stream()]

        cancelled = await cancelled_at(step, unit())
        stored = await everything(there, subject)
        if not inside:
            assert cancelled
            assert stored == before
        else:
            # Struck while it committed, or left: the caller can't know, but the store does.
            assert stored in ([before, inside] if cancelled else [inside])
        await subject.of(here).create(subject.draft("afterwards"))
        if not cancelled:
            return
    raise AssertionError(f"the unit did not end in {MOST_STEPS} steps")


@contract
async def test_an_operation_cancelled_anywhere_is_all_or_nothing(
    backend: Backend, subject: Subject
) -> None:
    """At every await of a list's creation and of a step that changes all of it."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        drafts = [subject.draft(f"label {n}") for n in range(3)]
        creating = await cancelled_at(step, subject.of(here).create_many(drafts))
        stored = await subject.of(there).count()
        assert stored in ([0, 3] if creating else [3])
        # Elsewhere: what was cancelled may still be under way in the store.
        here, there = backend.rivals()
        await subject.of(here).create_many(drafts)
        changing = await cancelled_at(
            step, subject.of(here).update_where(None, **subject.note_to("changed"))
        )
        changed = await subject.of(there).count({subject.note: "changed"})
        assert changed in ([0, 3] if changing else [3])
        if not (creating or changing):
            return
    raise AssertionError(f"the operations did not end in {MOST_STEPS} steps")


@contract(needs=Capability.TRANSACTIONS)
async def test_many_cancelled_callers_leave_a_working_store(
    backend: Backend, subject: Subject
) -> None:
    """More of them than any pool has connections; none stays checked out, or half used."""
    here, there = backend.rivals()
    await subject.of(here).create(subject.draft("kept"))

    async def unit(label: str) -> None:
        async with subject.unit(here) as work:
            await subject.of(work).create(subject.draft(label))
            await asyncio.Event().wait()

    for _ in range(3):
        tasks = [asyncio.create_task(unit(f"label {n}")) for n in range(40)]
        await subject.of(there).count()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
    found = await asyncio.gather(*(subject.of(here).count() for _ in range(40)))
    assert set(found) == {1}
