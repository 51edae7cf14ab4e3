"""Assignments: what a store of experiments promises to those who take part."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import attrs
import pytest

from domain.errors import ValidationError
from domain.experiment_results import ExperimentAssignment
from domain.experiments import Experiment, ExperimentStatus
from ports.contracts.exact import exact
from ports.contracts.experiments import METRICS, VARIANTS, new_experiment, running, weighing
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.strategies import HOSTILE
from ports.errors import EntityNotFoundError, InvalidQueryError, TransactionError
from ports.experiments import ExperimentRepository
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringRepositories

UNITS = [f"user {n}" for n in range(40)]


class Mishap(Exception):
    """What ends a unit of work that is to be rolled back."""


def by_hand(experiment: Experiment, unit: str) -> str | None:
    """The variant by the published rule, written out anew; None outside of the traffic."""

    def number(purpose: str) -> int:
        parts = [experiment.tenant_id, str(experiment.id), experiment.salt, purpose, unit]
        encoded = [part.encode() for part in parts]
        told = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
        return int(sha256(told).hexdigest()[:16], 16)

    if number("traffic") / 2**64 >= experiment.traffic_share:
        return None
    place, end = number("variant") * 10_000 >> 64, 0
    for variant in experiment.variants:
        end += variant.weight
        if place < end:
            return variant.name
    return None


async def assigned(
    experiments: ExperimentRepository, experiment: Experiment
) -> dict[str, str | None]:
    """What all units get, or have."""
    found = [await experiments.assign(experiment.id, unit) for unit in UNITS]
    return {
        unit: None if one is None else one.variant for unit, one in zip(UNITS, found, strict=True)
    }


@contract
async def test_a_unit_is_assigned_by_the_published_rule(
    backend: Backend, scope: TenantScope
) -> None:
    """Of tenant, experiment, salt and unit; it is kept, with its time, and raises no revision."""
    experiments = scope.experiments
    for n, salt in enumerate(("", "autumn", "é")):
        made = await running(experiments, f"{n}", salt=salt, traffic_share=0.75)
        expected = {unit: by_hand(made, unit) for unit in UNITS}
        assert await assigned(experiments, made) == expected
        assert exact(await experiments.require(made.id)) == exact(made)
    one = await experiments.assign(made.id, next(unit for unit in UNITS if expected[unit]))
    assert isinstance(one, ExperimentAssignment)
    assert exact(one) == exact(
        ExperimentAssignment(
            tenant_id=scope.tenant,
            experiment_id=made.id,
            unit=one.unit,
            variant=expected[one.unit] or "",
            assigned_at=backend.clock.now(),
        )
    )
    backend.clock.advance(days=1)
    assert exact(await experiments.assign(made.id, one.unit)) == exact(one)
    assert exact(await experiments.assignment_of(made.id, one.unit)) == exact(one)


@contract
async def test_other_weights_move_nobody_who_was_assigned(scope: TenantScope) -> None:
    """Who comes later is assigned by the new ones."""
    experiments = scope.experiments
    made = await running(experiments)
    before = await assigned(experiments, made)
    changed = await experiments.modify(
        made.id, lambda it: it.edited(variants=weighing(0, 0, 10_000))
    )
    assert await assigned(experiments, made) == before
    late = [await experiments.assign(made.id, f"late {n}") for n in range(10)]
    assert {one.variant for one in late if one} == {changed.variants[2].name}


@contract
async def test_more_traffic_moves_nobody(scope: TenantScope) -> None:
    """Those who take part still do, with the variants that they would have had in any case."""
    experiments = scope.experiments
    made = await running(experiments, traffic_share=0.0)
    assert set((await assigned(experiments, made)).values()) == {None}
    before: dict[str, str | None] = {}
    for share in (0.3, 0.6, 1.0):
        stored = await experiments.require(made.id)
        await experiments.update(stored.edited(traffic_share=share))
        now = await assigned(experiments, made)
        assert {unit: now[unit] for unit, variant in before.items() if variant} == {
            unit: variant for unit, variant in before.items() if variant
        }
        assert sum(variant is not None for variant in now.values()) > len(
            [variant for variant in before.values() if variant]
        )
        before = now
    assert before == {unit: by_hand(attrs.evolve(made, traffic_share=1.0), unit) for unit in UNITS}
    await experiments.modify(made.id, lambda it: it.edited(traffic_share=0.0))
    assert await assigned(experiments, made) == before
    assert await experiments.assign(made.id, "late") is None


@contract
async def test_only_a_running_experiment_assigns(scope: TenantScope) -> None:
    """Whoever was assigned keeps the variant in every status; nobody else gets one."""
    experiments = scope.experiments
    made = await new_experiment(experiments)
    assert await experiments.assign(made.id, "ada") is None
    await experiments.start(made.id)
    ada = await experiments.assign(made.id, "ada")
    assert ada is not None
    for step in (experiments.pause, experiments.resume, experiments.pause, experiments.complete):
        stored = await step(made.id)
        assert exact(await experiments.assign(made.id, "ada")) == exact(ada)
        if stored.status is not ExperimentStatus.RUNNING:
            assert await experiments.assign(made.id, f"grace {stored.status}") is None
            assert await experiments.assignment_of(made.id, f"grace {stored.status}") is None
    page = await experiments.assignments(made.id)
    assert [one.unit for one in page.items] == ["ada"]


@contract
async def test_an_experiment_assigns_between_its_times(
    backend: Backend, scope: TenantScope
) -> None:
    """From the start, inclusive, to the end, exclusive; who was assigned keeps it afterwards."""
    experiments, now = scope.experiments, backend.clock.kept
    made = await running(
        experiments, starts_at=now + timedelta(seconds=10), ends_at=now + timedelta(seconds=20)
    )
    backend.clock.advance(seconds=9, milliseconds=999)
    assert await experiments.assign(made.id, "ada") is None
    backend.clock.advance(milliseconds=1)
    ada = await experiments.assign(made.id, "ada")
    assert ada is not None
    backend.clock.advance(seconds=9, milliseconds=999)
    assert await experiments.assign(made.id, "grace") is not None
    backend.clock.advance(milliseconds=1)
    assert await experiments.assign(made.id, "late") is None
    assert exact(await experiments.assign(made.id, "ada")) == exact(ada)


@contract
async def test_asking_assigns_nobody(scope: TenantScope) -> None:
    """Only `assign` does."""
    experiments = scope.experiments
    made = await running(experiments)
    assert await experiments.assignment_of(made.id, "ada") is None
    assert (await experiments.assignments(made.id)).items == ()


@contract
async def test_assignments_come_in_pages(scope: TenantScope) -> None:
    """By unit, by code point; whatever is assigned meanwhile shifts nothing."""
    experiments = scope.experiments
    made, other = await running(experiments), await running(experiments, "other")
    await experiments.assign(other.id, "m")
    units = ["b", "a", "Z", "é", "ﬁ", "😀", "e\u0301"]
    for unit in units:
        assert await experiments.assign(made.id, unit)
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = await experiments.assignments(made.id, after, 3)
        seen += [one.unit for one in page.items]
        await experiments.assign(made.id, f"A{len(seen)}")
        after = page.next
    assert seen == sorted(units)
    assert after is None
    assert (await experiments.assignments(made.id, limit=10)).next is None
    assert (await experiments.assignments(uuid4())).items == ()
    wrong: Any = 7
    for limit in (0, 1001, wrong * 1.5):
        error = await raised_by(experiments.assignments(made.id, limit=limit))
        assert isinstance(error, InvalidQueryError)
    assert isinstance(await raised_by(experiments.assignments(made.id, wrong)), ValidationError)


@contract
async def test_any_unit_is_itself_alone(scope: TenantScope) -> None:
    """Whatever its name is made of; what can be no name is refused, and nobody assigned."""
    experiments = scope.experiments
    made = await running(experiments)
    units = [unit for unit in HOSTILE if unit.isprintable()]
    for unit in (*units, "u" * 256):
        one = await experiments.assign(made.id, unit)
        assert one is not None
        assert (one.unit, one.variant) == (unit, by_hand(made, unit))
    before = await experiments.assignments(made.id, limit=1_000)
    assert sorted(one.unit for one in before.items) == sorted({*units, "u" * 256})
    wrong: list[Any] = ["", "u" * 257, "a\nb", "\x00", "\ud800", None, 7, ["ada"]]
    for unit in wrong:
        for error in await raised_by_each(
            experiments.assign(made.id, unit), experiments.assignment_of(made.id, unit)
        ):
            assert isinstance(error, ValidationError), unit
    assert exact(await experiments.assignments(made.id, limit=1_000)) == exact(before)


@contract
async def test_without_an_experiment_nobody_is_assigned(scope: TenantScope) -> None:
    """It is named."""
    missing = uuid4()
    for error in await raised_by_each(
        scope.experiments.assign(missing, "ada"), scope.experiments.assignment_of(missing, "ada")
    ):
        assert isinstance(error, EntityNotFoundError)
        assert (error.entity_type, error.entity_id) == ("experiment", missing)


@contract
async def test_tenants_know_nothing_of_each_other_s_units(backend: Backend) -> None:
    """Experiment and units are named alike, and are assigned, counted and deleted apart."""
    one, other = backend.fresh(), backend.fresh()
    mine = await running(one.experiments)
    theirs = await other.experiments.create(attrs.evolve(mine, tenant_id=other.tenant))
    before = await assigned(one.experiments, mine)
    assert (await other.experiments.assignments(theirs.id)).items == ()
    assert await other.experiments.assignment_of(theirs.id, UNITS[0]) is None
    there = await assigned(other.experiments, theirs)
    assert there == {unit: by_hand(theirs, unit) for unit in UNITS} != before
    assert await one.experiments.record_outcome(mine.id, UNITS[0], "bought", key="k")
    assert all(it.count == 0 for it in await other.experiments.outcomes(theirs.id))
    assert await other.experiments.record_outcome(theirs.id, UNITS[0], "bought", key="k")
    assert await other.experiments.delete(theirs.id)
    assert await assigned(one.experiments, mine) == before
    assert sum(it.count for it in await one.experiments.outcomes(mine.id)) == 1
    assert isinstance(
        await raised_by(other.experiments.assign(mine.id, "ada")), EntityNotFoundError
    )


@pytest.mark.parametrize("by", ["delete", "delete_where", "erase_tenant"])
@contract
async def test_what_belongs_to_an_experiment_goes_with_it(backend: Backend, by: str) -> None:
    """One of its id that comes back has no assignments, outcomes or keys."""
    here, there = backend.rivals()
    experiments = here.experiments
    made, kept = await running(experiments), await running(experiments, "kept")
    for one in (made, kept):
        await experiments.assign(one.id, "ada")
        await experiments.record_outcome(one.id, "ada", "bought", key="k")
    if by == "delete":
        assert await experiments.delete(made.id)
    elif by == "delete_where":
        assert await experiments.delete_where({"name": made.name}) == 1
    else:
        authoring = backend.instances[0].authoring
        assert authoring is not None
        assert await authoring.maintenance().erase_tenant(here.tenant) == 2
        await there.experiments.create(kept)
    back = await there.experiments.create(made)
    assert (await experiments.assignments(back.id)).items == ()
    assert await experiments.assignment_of(back.id, "ada") is None
    assert all(it.assigned == it.count == 0 for it in await experiments.outcomes(back.id))
    assert await experiments.assign(back.id, "ada")
    assert await experiments.record_outcome(back.id, "ada", "spent", key="k")
    left = await experiments.assignments(kept.id)
    assert len(left.items) == (0 if by == "erase_tenant" else 1)


@contract
async def test_an_assignment_joins_its_unit_of_work(backend: Backend) -> None:
    """Rolled back, nobody was assigned and nothing recorded; committed, all of it stands."""
    here, there = backend.rivals()
    made = await running(here.experiments)

    async def act(work: AuthoringRepositories) -> None:
        one = await work.experiments.assign(made.id, "ada")
        assert exact(await work.experiments.assign(made.id, "ada")) == exact(one)
        await work.experiments.record_outcome(made.id, "ada", "bought", key="k")
        assert not await work.experiments.record_outcome(made.id, "ada", "bought", key="k")
        assert sum(it.count for it in await work.experiments.outcomes(made.id)) == 1
        assert await there.experiments.assignment_of(made.id, "ada") is None

    async def roll_back() -> None:
        async with here.authoring() as work:
            await act(work)
            raise Mishap

    assert isinstance(await raised_by(roll_back()), Mishap)
    assert (await there.experiments.assignments(made.id)).items == ()
    async with here.authoring() as work:
        await act(work)
    assert [one.unit for one in (await there.experiments.assignments(made.id)).items] == ["ada"]
    assert sum(it.count for it in await there.experiments.outcomes(made.id)) == 1


@contract
async def test_a_unit_of_work_that_comes_too_late_is_told(backend: Backend) -> None:
    """It can't see who assigned or recorded since it began; what it would have kept, isn't."""
    here, there = backend.rivals()
    made = await running(here.experiments)

    async def overtaken(act: Callable[[ExperimentRepository], Awaitable[object]]) -> None:
        async with here.authoring() as work:
            await work.experiments.require(made.id)
            await act(there.experiments)
            await act(work.experiments)

    for act in (
        lambda experiments: experiments.assign(made.id, "ada"),
        lambda experiments: experiments.record_outcome(made.id, "ada", "bought"),
        lambda experiments: experiments.record_outcome(made.id, "ada", "spent", key="k"),
    ):
        assert isinstance(await raised_by(overtaken(act)), TransactionError)
    assert len((await here.experiments.assignments(made.id)).items) == 1
    assert sum(it.count for it in await here.experiments.outcomes(made.id)) == 2


@contract
async def test_a_unit_that_makes_an_experiment_assigns_in_it(scope: TenantScope) -> None:
    """Created, started and assigned in one step."""
    async with scope.authoring() as work:
        draft = Experiment.draft(name="whole", variants=VARIANTS, metrics=METRICS)
        made = await work.experiments.create(draft)
        assert await work.experiments.assign(made.id, "ada") is None
        await work.experiments.start(made.id)
        assert await work.experiments.assign(made.id, "ada")
    assert await scope.experiments.assignment_of(made.id, "ada")
