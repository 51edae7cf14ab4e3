"""Races for experiments: assignments and outcomes, between two instances of a store."""

from typing import Any

from domain.experiment_results import ExperimentAssignment
from domain.experiments import Experiment
from ports.contracts.concurrency import RACERS, ROUNDS, all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.experiment_outcomes import assigning, control_of
from ports.contracts.experiments import running, weighing
from ports.contracts.harness import Backend, contract
from ports.errors import EntityNotFoundError
from ports.experiments import ExperimentRepository


def experiment_pair(backend: Backend) -> tuple[ExperimentRepository, ExperimentRepository]:
    """An unused tenant's experiments on each of two instances."""
    here, there = backend.rivals()
    return here.experiments, there.experiments


@contract
async def test_racing_first_assignments_of_a_unit_agree(backend: Backend) -> None:
    """Also while the weights change, so that each would come to something else."""
    repositories = experiment_pair(backend)
    made = await running(repositories[0])
    sides = (weighing(10_000, 0, 0), weighing(0, 10_000, 0))

    for n in range(ROUNDS):
        unit = f"user {n}"

        async def act(number: int, experiments: ExperimentRepository, unit: str = unit) -> Any:
            if number % 4 < 2:
                side = sides[number // 4]
                await experiments.modify(made.id, lambda it: it.edited(variants=side))
            return await experiments.assign(made.id, unit)

        won, lost = split(await all_at_once(repositories, act))
        assert lost == []
        stored = await repositories[1].assignment_of(made.id, unit)
        assert isinstance(stored, ExperimentAssignment)
        assert all(exact(one) == exact(stored) for one in won)
    assert len((await repositories[0].assignments(made.id)).items) == ROUNDS


@contract
async def test_no_outcome_is_lost(backend: Backend) -> None:
    """Of one unit or of several, the first of each included."""
    repositories = experiment_pair(backend)
    made = await assigning(repositories[0], "busy", *(f"user {n}" for n in range(RACERS)))

    async def act(number: int, experiments: ExperimentRepository) -> Any:
        for unit in ("busy", f"user {number}", "busy"):
            assert await experiments.record_outcome(made.id, unit, "bought", 0.1)

    _, lost = split(await all_at_once(repositories, act))
    assert lost == []
    found = await control_of(repositories[1], made)
    assert (found.units, found.count, float(found.total)) == (
        RACERS + 1,
        3 * RACERS,
        0.3 * RACERS,
    )


@contract
async def test_an_outcome_with_a_key_counts_once_for_all_who_race(backend: Backend) -> None:
    """Exactly one of them counts it, and the others are told that it is counted."""
    repositories = experiment_pair(backend)
    made = await assigning(repositories[0], "ada")
    for n in range(ROUNDS):

        async def act(_: int, experiments: ExperimentRepository, key: str = f"key {n}") -> Any:
            return await experiments.record_outcome(made.id, "ada", "bought", key=key)

        results = await all_at_once(repositories, act)
        assert sorted(results) == [False] * (RACERS - 1) + [True]
    assert (await control_of(repositories[1], made)).count == ROUNDS


@contract
async def test_nothing_outlives_an_experiment_that_is_deleted(backend: Backend) -> None:
    """Whoever comes first: one of its id that comes back has no units and no outcomes."""
    for _ in range(ROUNDS):
        repositories = experiment_pair(backend)
        made = await assigning(repositories[0], "ada")

        async def act(
            number: int, experiments: ExperimentRepository, made: Experiment = made
        ) -> Any:
            if number == 0:
                return await experiments.delete(made.id)
            if number % 2:
                return await experiments.assign(made.id, f"user {number}")
            return await experiments.record_outcome(made.id, "ada", "bought", key=f"{number}")

        results = await all_at_once(repositories, act)
        assert results[0] is True
        assert {type(error) for error in split(results)[1]} <= {EntityNotFoundError}
        await repositories[1].create(made)
        assert (await repositories[0].assignments(made.id)).items == ()
        found = await control_of(repositories[0], made)
        assert (found.assigned, found.count) == (0, 0)
