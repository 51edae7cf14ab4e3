"""Experiments: what their store promises of their lives, and of who asks for them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest

from domain.documents import JsonObject
from domain.errors import TransitionNotAllowedError, ValidationError
from domain.experiments import Experiment, ExperimentStatus, Variant
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import ConflictError, DuplicateEntityError, EntityNotFoundError
from ports.experiments import ExperimentRepository
from ports.stores import TenantScope

_S = ExperimentStatus
VARIANTS = (
    Variant(name="control", weight=5_000, is_control=True),
    Variant(name="warmer", weight=3_000, flow_version="1.1"),
    Variant(name="shorter", weight=2_000, modifications=JsonObject.of({"skip": [7]})),
)
METRICS = ("bought", "spent")


async def new_experiment(
    experiments: ExperimentRepository, name: str = "greeting", **fields: Any
) -> Experiment:
    """A stored draft."""
    given = {"variants": VARIANTS, "metrics": METRICS, **fields}
    return await experiments.create(Experiment.draft(name=name, **given))


async def running(
    experiments: ExperimentRepository, name: str = "greeting", **fields: Any
) -> Experiment:
    """A stored experiment that was started."""
    return await experiments.start((await new_experiment(experiments, name, **fields)).id)


async def experiment_in(
    experiments: ExperimentRepository, status: ExperimentStatus, **fields: Any
) -> Experiment:
    """A stored experiment in any status, as an import would bring it."""
    made = await new_experiment(experiments, f"from {status}", **fields)
    return await experiments.create(attrs.evolve(made, id=uuid4(), name=f"{status}", status=status))


def weighing(*weights: int) -> tuple[Variant, ...]:
    """The variants with other weights."""
    return tuple(
        attrs.evolve(variant, weight=weight)
        for variant, weight in zip(VARIANTS, weights, strict=True)
    )


@contract
async def test_an_experiment_lives_its_life(backend: Backend, scope: TenantScope) -> None:
    """Each step is one revision; it begins when it is started, and ends when it is completed."""
    experiments = scope.experiments
    made = await new_experiment(experiments)
    began = backend.clock.advance(hours=1)
    started = await experiments.start(made.id)
    assert exact(started) == exact(
        attrs.evolve(made, status=_S.RUNNING, starts_at=began, updated_at=began, revision=2)
    )
    paused = await experiments.pause(made.id)
    assert exact(paused) == exact(attrs.evolve(started, status=_S.PAUSED, revision=3))
    resumed = await experiments.resume(made.id)
    assert exact(resumed) == exact(attrs.evolve(started, revision=4))
    ended = backend.clock.advance(hours=1)
    completed = await experiments.complete(made.id)
    assert exact(completed) == exact(
        attrs.evolve(resumed, status=_S.COMPLETED, ends_at=ended, updated_at=ended, revision=5)
    )
    assert exact(await experiments.require(made.id)) == exact(completed)


@contract
async def test_planned_times_are_kept(backend: Backend, scope: TenantScope) -> None:
    """A start that is later than now, an end that has passed; one that is to come is brought on."""
    experiments, now = scope.experiments, backend.clock.kept
    later, much_later = now + timedelta(hours=1), now + timedelta(hours=2)
    planned = await new_experiment(experiments, "one", starts_at=later, ends_at=much_later)
    started = await experiments.start(planned.id)
    assert (started.starts_at, started.ends_at) == (later, much_later)
    given_up = await experiments.cancel(planned.id)
    assert (given_up.starts_at, given_up.ends_at) == (later, later)
    other = await running(experiments, "two", ends_at=later)
    backend.clock.advance(hours=3)
    assert (await experiments.complete(other.id)).ends_at == later
    third = await new_experiment(experiments, "three", ends_at=later)
    assert isinstance(await raised_by(experiments.start(third.id)), ValidationError)
    assert exact(await experiments.require(third.id)) == exact(third)


Step = Callable[[ExperimentRepository, UUID], Awaitable[Experiment]]
STEPS: dict[str, tuple[ExperimentStatus, Step]] = {
    "start": (_S.RUNNING, lambda experiments, id: experiments.start(id)),
    "pause": (_S.PAUSED, lambda experiments, id: experiments.pause(id)),
    "resume": (_S.RUNNING, lambda experiments, id: experiments.resume(id)),
    "complete": (_S.COMPLETED, lambda experiments, id: experiments.complete(id)),
    "cancel": (_S.CANCELLED, lambda experiments, id: experiments.cancel(id)),
}
ALLOWED = {
    "start": {_S.DRAFT},
    "pause": {_S.RUNNING},
    "resume": {_S.PAUSED},
    "complete": {_S.RUNNING, _S.PAUSED},
    "cancel": {_S.DRAFT, _S.RUNNING, _S.PAUSED},
}


@pytest.mark.parametrize("step", STEPS)
@contract
async def test_a_step_leads_from_where_it_may_and_from_nowhere_else(
    scope: TenantScope, step: str
) -> None:
    """Where it leads to already it changes nothing; from elsewhere it is refused."""
    experiments = scope.experiments
    target, act = STEPS[step]
    for status in ExperimentStatus:
        made = await experiment_in(experiments, status)
        error = await raised_by(act(experiments, made.id))
        stored = await experiments.require(made.id)
        if status in ALLOWED[step]:
            assert error is None
            assert (stored.status, stored.revision) == (target, 2)
        else:
            expected = ValidationError if step in ("start", "resume") else TransitionNotAllowedError
            assert error is None if status is target else isinstance(error, expected)
            assert exact(stored) == exact(made)


@pytest.mark.parametrize("step", STEPS)
@contract
async def test_a_step_of_what_is_not_there_or_has_changed_is_refused(
    scope: TenantScope, step: str
) -> None:
    """The same errors as of every change."""
    experiments = scope.experiments
    _, act = STEPS[step]
    assert isinstance(await raised_by(act(experiments, uuid4())), EntityNotFoundError)
    made = await new_experiment(experiments)
    stale = getattr(experiments, step)(made.id, expected_revision=7)
    assert isinstance(await raised_by(stale), ConflictError)


@contract
async def test_what_was_promised_stays_once_started(scope: TenantScope) -> None:
    """Weights, traffic, further metrics and the end may be edited; what variants are, may not."""
    experiments = scope.experiments
    made = await running(experiments)
    edited = await experiments.modify(
        made.id,
        lambda it: it.edited(
            variants=weighing(0, 1, 9_999), traffic_share=0.25, metrics=(*METRICS, "stayed")
        ),
    )
    assert exact(await experiments.require(made.id)) == exact(edited)
    assert [variant.weight for variant in edited.variants] == [0, 1, 9_999]
    renamed = (*VARIANTS[:2], attrs.evolve(VARIANTS[2], name="other"))
    refused: list[dict[str, Any]] = [
        {"variants": renamed},
        {"variants": VARIANTS[::-1]},
        {"metrics": ("bought",)},
        {"salt": "other"},
        {"flow_id": uuid4()},
    ]
    for changes in refused:
        with pytest.raises(ValidationError):
            edited.edited(**changes)
    assert exact(await experiments.require(made.id)) == exact(edited)


@contract
async def test_an_experiment_is_found_by_its_name(scope: TenantScope) -> None:
    """Which is unique in the tenant, to the letter."""
    experiments = scope.experiments
    made = await new_experiment(experiments, "Greeting")
    assert exact(await experiments.get_by_name("Greeting")) == exact(made)
    assert await experiments.get_by_name("greeting") is None
    with pytest.raises(DuplicateEntityError) as caught:
        await new_experiment(experiments, "Greeting")
    assert caught.value.key == ("name",)


@contract
async def test_a_flow_s_running_experiments_are_found(backend: Backend, scope: TenantScope) -> None:
    """Those that began first come first; no other's, and none in another status."""
    experiments, flow = scope.experiments, uuid4()
    made = [
        await new_experiment(experiments, f"{n}", flow_id=flow if n < 4 else uuid4())
        for n in range(5)
    ]
    for n in (2, 0, 1, 4):
        backend.clock.advance(seconds=1)
        await experiments.start(made[n].id)
    await experiments.pause(made[0].id)
    assert [it.id for it in await experiments.running_for(flow)] == [made[2].id, made[1].id]
    assert [it.id for it in await experiments.running_for(flow, 1)] == [made[2].id]
    await experiments.resume(made[0].id)
    assert [it.id for it in await experiments.running_for(flow)] == [made[n].id for n in (2, 0, 1)]
    assert await experiments.running_for(uuid4()) == ()
