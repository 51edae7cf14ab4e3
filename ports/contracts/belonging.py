"""What belongs to an entity alone goes with it, whoever adds to it while it is deleted.

A store may let the one wait for the other, or refuse either; but nothing stands without what it
belongs to, and what comes back has nothing of what was there before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import attrs
import pytest

from domain.experiments import Experiment
from domain.flows import Flow, MetricIncrements
from domain.integrations import Integration
from ports.capabilities import Capability
from ports.contracts.experiments import running
from ports.contracts.flows import VALID
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.integrations import SUCCESS, new_integration
from ports.errors import EntityNotFoundError, TransactionError
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringRepositories

DAY = date(2024, 2, 29)
ONCE = MetricIncrements(executions=1)
UNITS = ("ada", "grace")
TURNS = 20
"""Of the event loop, in which whoever needn't wait for anybody is done."""

Stored = Flow | Experiment | Integration
Repositories = AuthoringRepositories | TenantScope


@attrs.frozen
class Belonging:
    """What belongs to an entity, and how it is added and found."""

    kind: str
    make: Callable[[Repositories], Awaitable[Stored]]
    add: Callable[[Repositories, UUID], Awaitable[object]]
    left: Callable[[Repositories, UUID], Awaitable[object]]
    """Anything true, if there is any."""

    def of(self, repositories: Repositories) -> Any:
        """The repository of what it belongs to."""
        return getattr(repositories, self.kind)


async def _calls(repositories: Repositories, id: UUID) -> object:
    return (await repositories.integrations.calls(id)).items


async def _units(repositories: Repositories, id: UUID) -> object:
    return (await repositories.experiments.assignments(id)).items


async def _outcomes(repositories: Repositories, id: UUID) -> object:
    return sum(it.count for it in await repositories.experiments.outcomes(id))


async def _measured(repositories: Repositories) -> Experiment:
    made = await running(repositories.experiments)
    for unit in UNITS:
        await repositories.experiments.assign(made.id, unit)
    return made


BELONGINGS = {
    "figures of a flow": Belonging(
        "flows",
        make=lambda all: all.flows.create(Flow.draft(name="greeting", definition=VALID)),
        add=lambda all, id: all.flows.record_metrics(id, DAY, ONCE),
        left=lambda all, id: all.flows.get_metrics(id, DAY, DAY),
    ),
    "versions of a flow": Belonging(
        "flows",
        make=lambda all: all.flows.create(Flow.draft(name="greeting", definition=VALID)),
        add=lambda all, id: all.flows.create_version(id),
        left=lambda all, id: all.flows.get_versions(id),
    ),
    "units of an experiment": Belonging(
        "experiments",
        make=lambda all: running(all.experiments),
        add=lambda all, id: all.experiments.assign(id, "ada"),
        left=_units,
    ),
    "outcomes of an experiment": Belonging(
        "experiments",
        make=_measured,
        add=lambda all, id: all.experiments.record_outcome(id, "ada", "bought", key="k"),
        left=_outcomes,
    ),
    "calls of an integration": Belonging(
        "integrations",
        make=lambda all: new_integration(all.integrations),
        add=lambda all, id: all.integrations.record_call(id, SUCCESS),
        left=_calls,
    ),
}


async def _nothing_is_left(scope: TenantScope, what: Belonging, made: Stored) -> None:
    """Once it is deleted, and after it came back."""
    await what.of(scope).delete(made.id)
    assert await what.of(scope).create(made) == made
    assert not await what.left(scope, made.id)
    await what.of(scope).delete(made.id)


async def _after(task: "asyncio.Task[Any]", *errors: type[Exception]) -> Exception | None:
    """What a task raised of these, if anything."""
    try:
        await task
    except errors as error:
        return error
    return None


@pytest.mark.parametrize("what", BELONGINGS)
@contract(needs=Capability.TRANSACTIONS)
async def test_what_a_unit_adds_goes_with_what_another_deletes(backend: Backend, what: str) -> None:
    """Whether the unit comes first, and whoever deletes waits for it, or it is refused."""
    this, (here, there) = BELONGINGS[what], backend.rivals()
    made = await this.make(here)
    deleting: asyncio.Task[bool] | None = None
    try:
        async with here.authoring() as work:
            await this.add(work, made.id)
            deleting = asyncio.create_task(this.of(there).delete(made.id))
            for _ in range(TURNS):
                await asyncio.sleep(0)
    except TransactionError:
        pass
    assert deleting is not None
    assert await deleting is True
    await _nothing_is_left(there, this, made)


@pytest.mark.parametrize("what", BELONGINGS)
@contract(needs=Capability.TRANSACTIONS)
async def test_what_is_added_while_a_unit_deletes_goes_with_it(backend: Backend, what: str) -> None:
    """Or it was first, and the unit is refused."""
    this, (here, there) = BELONGINGS[what], backend.rivals()
    made = await this.make(here)
    adding: asyncio.Task[object] | None = None
    refused = False
    try:
        async with here.authoring() as work:
            await this.of(work).delete(made.id)
            adding = asyncio.create_task(_awaited(this.add(there, made.id)))
            for _ in range(TURNS):
                await asyncio.sleep(0)
    except TransactionError:
        refused = True
    assert adding is not None
    lost = await _after(adding, EntityNotFoundError)
    assert (lost is None) is refused
    assert await this.of(there).exists(made.id) is refused
    assert refused is False or await this.left(there, made.id)
    await _nothing_is_left(there, this, made)


@pytest.mark.parametrize("what", BELONGINGS)
@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_deletes_no_more_than_it_sees(backend: Backend, what: str) -> None:
    """What was added since it began it would take along unseen: it is refused."""
    this, (here, there) = BELONGINGS[what], backend.rivals()
    made = await this.make(here)

    async def overtaken() -> None:
        async with here.authoring() as work:
            await this.of(work).require(made.id)
            await this.add(there, made.id)
            await this.of(work).delete(made.id)

    assert isinstance(await raised_by(overtaken()), TransactionError)
    assert await this.left(here, made.id)
    await _nothing_is_left(there, this, made)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("what", BELONGINGS)
@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_adds_nothing_to_what_was_deleted(
    backend: Backend, what: str, back: bool
) -> None:
    """Though it still sees it; nor to what came back in its place."""
    this, (here, there) = BELONGINGS[what], backend.rivals()
    made = await this.make(here)

    async def overtaken() -> None:
        async with here.authoring() as work:
            await this.of(work).require(made.id)
            await this.of(there).delete(made.id)
            if back:
                await this.of(there).create(made)
            await this.add(work, made.id)

    assert isinstance(await raised_by(overtaken()), TransactionError)
    assert await this.of(there).exists(made.id) is back
    await _nothing_is_left(there, this, made)


@pytest.mark.parametrize("what", BELONGINGS)
@contract(needs=Capability.TRANSACTIONS)
async def test_what_a_unit_makes_anew_has_nothing_of_what_was_there(
    scope: TenantScope, what: str
) -> None:
    """Deleted and created in one step."""
    this = BELONGINGS[what]
    made = await this.make(scope)
    await this.add(scope, made.id)
    async with scope.authoring() as work:
        await this.of(work).delete(made.id)
        await this.of(work).create(made)
        assert not await this.left(work, made.id)
    assert not await this.left(scope, made.id)


async def _awaited(what: Awaitable[object]) -> object:
    return await what
