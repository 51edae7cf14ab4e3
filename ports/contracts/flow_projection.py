"""Executions that were recorded are counted in their flow's day once, whatever becomes of those who
count.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analytics import NO_DIMENSIONS, AnalyticsEvent
from domain.errors import ValidationError
from domain.flow_executions import EXECUTION, FlowExecution
from domain.flows import Flow, MetricIncrements, summed
from ports.archives import EVENTS
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, race, raised_by
from ports.contracts.projecting import (
    OPTIONS,
    DiedError,
    counted,
    died,
    execution,
    executions,
    flow_in,
    maintenance,
    projector,
    totals,
)
from ports.errors import OutcomeUnknownError, StoreUnavailableError
from ports.flow_projection import (
    Projected,
)
from ports.stores import TenantScope

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(given=st.lists(executions(), max_size=8))
@examples(0.3)
@contract
async def test_each_execution_is_counted_once_in_its_day(
    backend: Backend, given: list[dict[str, Any]]
) -> None:
    """In UTC, with all that it says; an event says the same as the execution that it was of."""
    scope = backend.fresh()
    flows = [await flow_in(scope), await flow_in(scope)]
    made = [execution(flows[n % 2], **fields) for n, fields in enumerate(given)]
    assert (await scope.analytics.record_executions(made)).added == len(made)
    for one in made:
        event = await scope.analytics.get_by_id(one.id)
        assert event is not None
        assert exact(FlowExecution.of(event)) == exact(one)
    expected: dict[Any, MetricIncrements] = {}
    for one in made:
        place = one.flow_id, one.ended_at.date()
        expected[place] = summed(expected.get(place, MetricIncrements()), one.increments)
    for number in (len(made), 0):
        done = await projector(backend, scope.tenant).once()
        assert done == Projected(counted=number)
        found = [
            ((flow, day), held)
            for flow in flows
            for day, held in (await totals(scope, flow)).items()
        ]
        assert dict(found) == expected
    await scope.analytics.record_executions(made)
    assert await projector(backend, scope.tenant, 1).once() == Projected()


@pytest.mark.parametrize("step", ["take", "before", "after", "settle"])
@contract
async def test_who_is_killed_while_it_counts_loses_nothing_and_counts_nothing_twice(
    backend: Backend, scope: TenantScope, step: str
) -> None:
    """Wherever it was; somebody else goes on once it can't be alive any more."""
    flow = await flow_in(scope)
    await scope.analytics.record_executions(execution(flow, NOON) for _ in range(5))
    happening: Any = {step: died}
    assert isinstance(
        await raised_by(projector(backend, scope.tenant, **happening).once()), DiedError
    )
    assert await projector(backend, scope.tenant, 1).once() == Projected()
    backend.clock.advance(seconds=31)
    done = await projector(backend, scope.tenant, 1).once()
    assert done.counted + done.known == 5
    assert await counted(scope, flow) == 5
    backend.clock.advance(days=2)
    assert await projector(backend, scope.tenant).once() == Projected()


@contract
async def test_several_who_count_at_once_count_each_once(backend: Backend) -> None:
    """Also when they took the same, and while more is recorded."""
    one, two = backend.rivals()
    flows = [await flow_in(one) for _ in range(2)]

    async def recording(scope: TenantScope) -> None:
        for _ in range(4):
            await scope.analytics.record_executions(
                execution(flows[n % 2], NOON + (n % 3) * DAY / 2) for n in range(15)
            )

    async def counting(instance: int) -> None:
        worker = projector(backend, one.tenant, instance)
        while sum([await counted(one, flow) for flow in flows]) < 120:
            await worker.once()
            await asyncio.sleep(0)

    told = await race(recording(one), recording(two), *(counting(n % 2) for n in range(4)))
    assert [each for each in told if isinstance(each, BaseException)] == []
    assert [await counted(one, flow) for flow in flows] == [64, 56]
    assert (await projector(backend, one.tenant).once()).counted == 0


@contract
async def test_what_one_has_taken_is_not_anothers_for_a_while(backend: Backend) -> None:
    """And is again afterwards; what is settled never is, and what is put off, when it is time."""
    scope = backend.fresh()
    flow = await flow_in(scope)
    await scope.analytics.record_executions(execution(flow, NOON, id=id) for id in ("a", "b", "c"))
    queues = [maintenance(backend, instance).executions for instance in (0, 1)]
    now = backend.clock.kept

    async def taken(instance: int, at: datetime) -> list[str]:
        found = await queues[instance].take(at, at + timedelta(seconds=30), 1_000)
        return sorted(one.id for one in found if one.tenant == scope.tenant)

    first = [
        one
        for one in await queues[0].take(now, now + timedelta(seconds=30), 1_000)
        if one.tenant == scope.tenant
    ]
    assert sorted((one.id, one.since) for one in first) == [(id, now) for id in ("a", "b", "c")]
    assert await taken(1, now) == []
    by_id = {one.id: one for one in first}
    await queues[0].settle([by_id["a"]])
    await queues[1].postpone([by_id["a"], by_id["b"]], now + timedelta(seconds=60))
    assert await taken(1, now + timedelta(seconds=29)) == []
    assert await taken(1, now + timedelta(seconds=30)) == ["c"]
    assert await taken(0, now + timedelta(seconds=60)) == ["b", "c"]
    await queues[0].settle(first)
    await queues[0].settle([])
    assert await taken(0, now + 30 * DAY) == []


@contract
async def test_one_whose_flow_is_not_there_hinders_no_other(backend: Backend) -> None:
    """It is told, and tried again: counted once there is one, and given up after a week."""
    scope = backend.fresh()
    here, later = await flow_in(scope), uuid4()
    before = await maintenance(backend).uncounted()
    await scope.analytics.record_executions(
        [execution(later, NOON), execution(here, NOON), execution(uuid4(), NOON)]
    )
    told = await maintenance(backend, 1).uncounted()
    assert told.number == before.number + 3
    assert told.oldest is not None
    own = await maintenance(backend, 1).uncounted(scope.tenant)
    assert (own.number, own.oldest) == (3, backend.clock.kept)
    none = await maintenance(backend).uncounted(backend.tenant())
    assert (none.number, none.oldest) == (0, None)
    assert await projector(backend, scope.tenant).once() == Projected(counted=1, waiting=2)
    assert await projector(backend, scope.tenant).once() == Projected()
    assert (await maintenance(backend).uncounted()).number == before.number + 2
    assert (await maintenance(backend).uncounted(scope.tenant)).number == 2
    backend.clock.advance(seconds=61)
    assert await projector(backend, scope.tenant).once() == Projected(waiting=2)
    await scope.flows.create(Flow.draft(name="later", id=later))
    backend.clock.advance(hours=1)
    assert await projector(backend, scope.tenant).once() == Projected(counted=1, waiting=1)
    assert await counted(scope, later) == 1
    backend.clock.advance(days=8)
    assert await projector(backend, scope.tenant).once() == Projected(dropped=1)
    assert (await maintenance(backend).uncounted()).number == before.number
    backend.clock.advance(days=8)
    assert await projector(backend, scope.tenant).once() == Projected()
    assert await counted(scope, here) == 1


@contract
async def test_one_that_fits_in_no_figure_hinders_no_other(backend: Backend) -> None:
    """Of the same flow and day, taken at the same time."""
    scope = backend.fresh()
    flow = await flow_in(scope)
    most = MetricIncrements(cache_lookups=2**53 - 1)
    await scope.flows.record_metrics(flow, NOON.date(), most)
    await scope.analytics.record_executions(
        execution(flow, NOON, cache_lookups=lookups) for lookups in (0, 1, 7, 0)
    )
    done = await projector(backend, scope.tenant).once()
    assert done == Projected(counted=3, waiting=1)
    assert (await totals(scope, flow))[NOON.date()].cache_lookups == 2**53


@contract
async def test_an_answer_that_was_lost_does_no_harm(backend: Backend, scope: TenantScope) -> None:
    """What the figures' store may have added is added again at once, and changes nothing."""

    async def lost() -> None:
        raise OutcomeUnknownError("the answer was lost")

    async def away() -> None:
        raise StoreUnavailableError("the store is away")

    flow = await flow_in(scope)
    await scope.analytics.record_executions(execution(flow, NOON) for _ in range(3))
    worker = projector(backend, scope.tenant, before=away)
    assert isinstance(await raised_by(worker.once()), StoreUnavailableError)
    worker = projector(backend, scope.tenant, after=lost)
    assert isinstance(await raised_by(worker.once()), OutcomeUnknownError)
    assert await worker.once() == Projected(known=3)
    assert await counted(scope, flow) == 3


@contract
async def test_a_late_execution_is_counted_in_the_day_on_which_it_ended(
    backend: Backend, scope: TenantScope
) -> None:
    """However long ago; and one that ended just ahead of the recorder's clock."""
    flow = await flow_in(scope)
    now = backend.clock.kept
    times = [datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), now + DAY / 2]
    await scope.analytics.record_executions(execution(flow, ended) for ended in times)
    assert (await projector(backend, scope.tenant).once()).counted == 2
    found = await totals(scope, flow)
    assert found.keys() == {date(1999, 12, 31), times[1].date()}


@contract
async def test_a_deleted_users_executions_stay_in_the_figures_once_counted(
    backend: Backend, scope: TenantScope
) -> None:
    """Those that weren't yet, never are."""
    flow = await flow_in(scope)
    await scope.analytics.record_executions(
        execution(flow, NOON, user_id=user) for user in ("ada", "bob")
    )
    await projector(backend, scope.tenant).once()
    await scope.analytics.record_executions(
        execution(flow, NOON, user_id=user) for user in ("ada", "bob")
    )
    assert await scope.analytics.delete_for_user("ada") == 2
    assert await projector(backend, scope.tenant).once() == Projected(counted=1)
    assert await counted(scope, flow) == 3


@contract
async def test_what_takes_the_place_of_one_that_went_is_counted(
    backend: Backend, scope: TenantScope
) -> None:
    """Though it has its id, and who counted that one is through with it only now."""
    flow, other = await flow_in(scope), await flow_in(scope)

    async def replaced() -> None:
        await scope.analytics.delete_for_user("ada")
        backend.clock.advance(seconds=1)
        await scope.analytics.record_executions([execution(other, NOON, id="talk")])

    await scope.analytics.record_executions([execution(flow, NOON, id="talk", user_id="ada")])
    await projector(backend, scope.tenant, settle=replaced).once()
    await projector(backend, scope.tenant).once()
    assert (await counted(scope, flow), await counted(scope, other)) == (1, 1)


@contract
async def test_restored_executions_are_not_counted(backend: Backend) -> None:
    """Their flow's figures are restored by themselves."""
    scope = backend.fresh()
    flow = await flow_in(scope)
    given = [execution(flow, NOON).draft() for _ in range(3)]
    whole = [
        draft.placed(at=NOON, new_id="", tenant_id=scope.tenant, type=EXECUTION) for draft in given
    ]
    assert (await scope.analytics.restore(whole)).added == 3
    assert await projector(backend, scope.tenant).once() == Projected()
    assert await counted(scope, flow) == 0


@contract
async def test_what_says_no_execution_is_not_restored(backend: Backend) -> None:
    """By its type it would be one, of which no summary could be made; an archive's others are."""
    scope = backend.fresh()
    flow = await flow_in(scope)
    proper = execution(flow, NOON).draft()
    whole = proper.placed(at=NOON, new_id="", tenant_id=scope.tenant, type=EXECUTION)
    wrong = attrs.evolve(whole, id="x", dimensions=NO_DIMENSIONS)
    assert isinstance(await raised_by(scope.analytics.restore([whole, wrong])), ValidationError)
    assert await scope.analytics.get_by_id(whole.id) is None
    done = await maintenance(backend).archive.restore(scope.tenant, EVENTS, [wrong, whole])
    assert (done.added, list(done.refused)) == (1, [0])
    assert (await scope.flow_summary(flow, NOON.date(), NOON.date())).recorded == 1


@contract
async def test_how_many_of_a_flows_are_uncounted_is_told(backend: Backend) -> None:
    """Of one flow and a range of time; no other tenant's."""
    scope, other = backend.fresh(), backend.fresh()
    flow, another = await flow_in(scope), await flow_in(scope)
    ended = [NOON, NOON + DAY, NOON + DAY, NOON + 2 * DAY]
    await scope.analytics.record_executions(execution(flow, at) for at in ended)
    await scope.analytics.record_executions([execution(another, NOON)])
    await other.analytics.record_executions([execution(flow, NOON)])
    uncounted = scope.analytics.uncounted
    assert await uncounted(flow, NOON, NOON + 9 * DAY) == 4
    assert await uncounted(flow, NOON + DAY, NOON + 2 * DAY) == 2
    assert await uncounted(flow, NOON - DAY, NOON) == 0
    await projector(backend, scope.tenant).once()
    assert await uncounted(flow, NOON, NOON + 9 * DAY) == 0
    wrong: Any = uncounted
    for asked in ((None, NOON, NOON), ("x", NOON, NOON), (flow, None, NOON), (flow, NOON, 7)):
        assert isinstance(await raised_by(wrong(*asked)), ValidationError), asked


@contract
async def test_what_says_no_execution_is_refused(scope: TenantScope) -> None:
    """As an event of that type, which has its own form; other events are as free as ever."""
    flow = uuid4()
    record: Any = scope.analytics.record_many
    proper = execution(flow, NOON).draft().provisional
    fields = {
        name: getattr(proper, name) for name in ("at", "flow_id", "dimensions", "measures", "id")
    }
    wrong: tuple[dict[str, Any], ...] = (
        {"id": None},
        {"at": None},
        {"flow_id": None},
        {"dimensions": {}},
        {"dimensions": {"outcome": "SECRET"}},
        {"measures": {}},
        {"measures": {**proper.measures, "duration_ms": 1.0}},
        {"measures": {**proper.measures, "duration_ms": -1}},
        {"measures": {**proper.measures, "duration_ms": 2**60}},
        {"measures": {**proper.measures, "cache_hits": 1}},
        {"measures": {**proper.measures, "other": 1}},
        {"measures": {**proper.measures, "satisfaction": -1}},
    )
    for other in wrong:
        draft = AnalyticsEvent.draft(EXECUTION, **{**fields, **other})
        error = await raised_by(record([AnalyticsEvent.draft("turn", id="a"), draft]))
        assert isinstance(error, ValidationError), other
        assert "SECRET" not in str(error)
    assert await scope.analytics.get_by_id("a") is None
    executions: Any = scope.analytics.record_executions
    for each in (None, [proper], [None], [execution(flow, NOON), "x"]):
        assert isinstance(await raised_by(executions(each)), ValidationError), each
    told = await record([AnalyticsEvent.draft(EXECUTION, **fields)])
    assert told.added == 1
    assert (await scope.analytics.record(AnalyticsEvent.draft("turn", id=proper.id))).added == 0


@contract
async def test_a_projector_that_runs_counts_what_is_recorded(
    backend: Backend, scope: TenantScope
) -> None:
    """For its block, and at its end all that is due."""
    flow = await flow_in(scope)
    worker = projector(backend, scope.tenant, take=died)
    async with asyncio.timeout(20), worker.running():
        await scope.analytics.record_executions([execution(flow, NOON)])
        while not await counted(scope, flow):
            # What was taken when it failed is due after its lease.
            backend.clock.advance(seconds=OPTIONS.lease.total_seconds())
            await asyncio.sleep(0.01)
        await scope.analytics.record_executions(execution(flow, NOON) for _ in range(2))
    assert await counted(scope, flow) == 3
    assert worker.done.counted == 3


@contract
async def test_who_counts_comes_to_an_end_though_more_is_recorded_all_the_time(
    backend: Backend,
) -> None:
    """Who counts but once, and who was told to end; what was there before is counted."""
    scope = backend.fresh()
    flow, recorded = await flow_in(scope), 0

    async def another() -> None:
        nonlocal recorded
        recorded += 1
        assert recorded < 10
        backend.clock.advance(milliseconds=1)
        await scope.analytics.record_executions([execution(flow, NOON)])

    worker = projector(backend, scope.tenant, following=another)
    await another()
    assert (await worker.once()).counted >= 1
    async with worker.running():
        pass
    assert recorded > await counted(scope, flow) >= 1
