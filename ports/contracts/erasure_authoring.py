"""Erasing a user from authoring data: what experiments measured, what calls say, and what stays."""

import attrs

from domain.integrations import CallReport
from ports.contracts.erasure import USER, maintenance
from ports.contracts.experiment_outcomes import assigning, control_of
from ports.contracts.experiments import new_experiment
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.integrations import new_integration
from ports.contracts.traces import TRACES
from ports.errors import EntityNotFoundError
from ports.stores import TenantScope


@contract
async def test_results_are_those_of_the_units_that_are_left(
    backend: Backend, scope: TenantScope
) -> None:
    """As if the user had never taken part, in every sum; whether or not the experiment is over."""
    experiments = scope.experiments
    one = await assigning(experiments, USER, "adam", "mary")
    two = await experiments.start(
        (await new_experiment(experiments, "without", variants=one.variants)).id
    )
    for made, units in ((one, (USER, "adam", "mary")), (two, ("adam", "mary"))):
        for unit in units:
            await experiments.assign(made.id, unit)
            await experiments.record_outcome(made.id, unit, "spent", len(unit) / 3)
        await experiments.record_outcome(made.id, units[-1], "bought", key="once")
    await experiments.complete(one.id)
    await maintenance(backend, Group.AUTHORING).erase_user(scope.tenant, USER)
    for metric in ("bought", "spent"):
        left = await control_of(experiments, one, metric)
        assert left == await control_of(experiments, two, metric)
    assert await experiments.require(one.id) == await experiments.complete(one.id)


@contract
async def test_an_erased_unit_is_one_that_never_took_part(
    backend: Backend, scope: TenantScope
) -> None:
    """An outcome of it finds no assignment, also under a key that came before."""
    experiments = scope.experiments
    made = await assigning(experiments, USER)
    await experiments.record_outcome(made.id, USER, "bought", key="once")
    await maintenance(backend, Group.AUTHORING).erase_user(scope.tenant, USER)
    again = experiments.record_outcome(made.id, USER, "bought", key="once")
    assert isinstance(await raised_by(again), EntityNotFoundError)
    assert await experiments.assign(made.id, "mary")
    assert await experiments.record_outcome(made.id, "mary", "bought", key="once") is True


@contract
async def test_calls_are_still_counted_and_say_nothing(
    backend: Backend, scope: TenantScope
) -> None:
    """In their places, as long and as well as they went, nor does their integration repeat it;
    others' are as they were.
    """
    integrations = scope.integrations
    made = await new_integration(integrations)
    reports = [
        CallReport(success=True, latency_ms=7, conversation_id="talk", metadata={"who": USER}),
        CallReport(success=False, latency_ms=8, status_code=500, conversation_id="talk", error="x"),
        CallReport(success=True, latency_ms=9, conversation_id="other", metadata={"who": "mary"}),
    ]
    for report in reports:
        await integrations.record_call(made.id, report)
    other = await new_integration(integrations, "other")
    last = attrs.evolve(reports[1], error="another", conversation_id="other")
    for report in (reports[1], last):
        await integrations.record_call(other.id, report)
    before = (await integrations.calls(made.id)).items
    stored = await integrations.require(made.id)
    store = maintenance(backend, Group.AUTHORING)
    gone = await store.erase_conversations(scope.tenant, USER, ["talk", "none"])
    assert gone == {"integration_calls": 3}
    after = (await integrations.calls(made.id)).items
    assert len(after) == len(before)
    assert after[0] == before[0]
    for call, was in zip(after[1:], before[1:], strict=True):
        assert (call.conversation_id, call.error, call.metadata) == (None, None, {})
        assert (call.id, call.sequence, call.at) == (was.id, was.sequence, was.at)
        assert (call.success, call.latency_ms, call.status_code) == (
            *(was.success, was.latency_ms),
            was.status_code,
        )
    assert stored.last_error == "x"
    assert await integrations.require(made.id) == attrs.evolve(stored, last_error=None)
    assert (await integrations.require(other.id)).last_error == "another"
    assert await store.erase_conversations(scope.tenant, USER, ["talk", "none"]) == {}


@contract
async def test_the_audit_trail_and_the_outbox_know_no_users(
    backend: Backend, scope: TenantScope
) -> None:
    """They tell of what staff changed: a user's erasure leaves the trail as it is, and whole."""
    await TRACES[Group.AUTHORING].leave(scope, USER)
    before = [each async for each in scope.audit.stream()]
    assert USER not in repr(before)
    await TRACES[Group.AUTHORING].erase(maintenance(backend, Group.AUTHORING), scope.tenant, USER)
    assert [each.id async for each in scope.audit.stream()] == [each.id for each in before]
    assert (await scope.audit.verify()).sound
