"""What is added to a flow's daily figures by a key is added once, whoever repeats it and when."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from domain.errors import ValidationError
from domain.flows import Flow, FlowDailyMetrics, MetricIncrements
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, race, raised_by
from ports.errors import EntityNotFoundError, IdempotencyKeyReusedError, TransactionError
from ports.flow_metrics import MAX_KEYED, MetricsRecorded
from ports.stores import AuthoringMaintenance, TenantScope

DAY = date(2026, 3, 1)
NEXT = date(2026, 3, 2)
ONE = MetricIncrements(executions=1, completions=1, total_duration_ms=250)
FULL = MetricIncrements(
    executions=3,
    satisfaction_total=4.5,
    satisfaction_count=1,
    custom_metrics={"sold": 2.5, "back": -1.0},
)
MOST = MetricIncrements(executions=2**53)


async def flow_in(scope: TenantScope) -> UUID:
    """A flow to add to."""
    return (await scope.flows.create(Flow.draft(name=f"told {uuid4()}"))).id


async def figures(scope: TenantScope, id: UUID, day: date = DAY) -> FlowDailyMetrics | None:
    """A day's figures, if there are any."""
    return next(iter(await scope.flows.get_metrics(id, day, day)), None)


async def executions(scope: TenantScope, id: UUID, day: date = DAY) -> int:
    """How many were added."""
    found = await figures(scope, id, day)
    return 0 if found is None else found.totals.executions


def told_of(recorded: MetricsRecorded) -> str:
    """The keys that were added, known and reused."""
    found = (recorded.added, recorded.known, recorded.reused)
    return "|".join("".join(sorted(keys)) for keys in found)


def maintenance(backend: Backend) -> AuthoringMaintenance:
    """Of the second instance."""
    store = backend.instances[1].authoring
    assert store is not None
    return store.maintenance()


@contract
async def test_what_comes_again_with_its_key_changes_nothing(backend: Backend) -> None:
    """Whichever instance it comes to; told are the figures as they stand by then."""
    one, two = backend.rivals()
    flow = await flow_in(one)
    first = await one.flows.record_metrics(flow, DAY, FULL, key="k")
    assert (first.totals, first.revision) == (FULL, 1)
    backend.clock.advance(days=2)
    await two.flows.record_metrics(flow, DAY, ONE)
    again = await two.flows.record_metrics(flow, DAY, FULL, key="k")
    assert exact(again) == exact(await figures(one, flow))
    assert (again.totals.executions, again.revision) == (4, 2)
    assert (await one.flows.record_metrics(flow, DAY, ONE, "other")).totals.executions == 5


@contract
async def test_a_key_is_its_flows_and_its_tenants(backend: Backend) -> None:
    """Another flow's is another key; case, and where names join, make others, too."""
    mine, theirs = backend.fresh(), backend.fresh()
    flows = [(mine, await flow_in(mine)), (mine, await flow_in(mine))]
    shared = await mine.flows.require(flows[0][1])
    copy = await theirs.flows.create(Flow.draft(name=shared.name))
    for scope, flow in (*flows, (theirs, copy.id)):
        for key in ("k", "K", "k ", "kk", '"', "\\", "é", "x" * 255):
            await scope.flows.record_metrics(flow, DAY, ONE, key=key)
            await scope.flows.record_metrics(flow, DAY, ONE, key=key)
        assert await executions(scope, flow) == 8


@contract
async def test_a_key_with_something_else_is_refused(scope: TenantScope) -> None:
    """Other increments, or another day; nothing is added, and the key stands for what it did."""
    flow = await flow_in(scope)
    await scope.flows.record_metrics(flow, DAY, FULL, key="k")
    others = (
        (DAY, ONE),
        (NEXT, FULL),
        (DAY, MetricIncrements(executions=3)),
        (DAY, MetricIncrements(**{**vars(FULL), "custom_metrics": {"sold": 2.5, "back": 1.0}})),
    )
    for day, increments in others:
        error = await raised_by(scope.flows.record_metrics(flow, day, increments, key="k"))
        assert isinstance(error, IdempotencyKeyReusedError)
        assert "k" not in str(error).split()
    alike = MetricIncrements(**{**vars(FULL), "custom_metrics": {"back": -1, "sold": 2.5}})
    assert (await scope.flows.record_metrics(flow, DAY, alike, key="k")).totals == FULL
    assert await figures(scope, flow, NEXT) is None


@contract
async def test_whoever_repeats_it_at_the_same_time_it_is_added_once(backend: Backend) -> None:
    """Several callers of one key, and others of others, each of which is added, too."""
    rivals = backend.rivals()
    flow = await flow_in(rivals[0])
    calls = [rivals[n % 2].flows.record_metrics(flow, DAY, ONE, key=f"k{n % 4}") for n in range(16)]
    done = await race(*calls)
    assert [each for each in done if isinstance(each, BaseException)] == []
    assert await executions(rivals[0], flow) == 4


@contract
async def test_several_are_added_each_once(backend: Backend) -> None:
    """Those that are new, together; the others are told, and one that stands for something else
    hinders none.
    """
    one, two = backend.rivals()
    flow = await flow_in(one)
    first = await one.flows.record_many_metrics(flow, DAY, {"a": ONE, "b": FULL})
    assert told_of(first) == "ab||"
    told = await two.flows.record_many_metrics(flow, DAY, {"b": FULL, "c": FULL, "a": FULL})
    assert told_of(told) == "c|b|a"
    held = await figures(one, flow)
    assert held is not None
    assert held.totals == MetricIncrements(
        executions=7,
        completions=1,
        total_duration_ms=250,
        satisfaction_total=9.0,
        satisfaction_count=2,
        custom_metrics={"sold": 5.0, "back": -2.0},
    )
    assert held.revision == 2
    again = await one.flows.record_many_metrics(flow, DAY, {"c": FULL})
    assert told_of(again) == "|c|"
    assert exact(await figures(two, flow)) == exact(held)
    nothing = await one.flows.record_many_metrics(uuid4(), DAY, {})
    assert told_of(nothing) == "||"


@contract
async def test_batches_that_overlap_at_the_same_time_add_each_once(backend: Backend) -> None:
    """Whichever takes which."""
    rivals = backend.rivals()
    flow = await flow_in(rivals[0])
    batches = [{f"k{n}": ONE for n in range(start, start + 40)} for start in range(0, 80, 10)]
    calls = [
        rivals[place % 2].flows.record_many_metrics(flow, DAY, dict(sorted(batch.items())))
        for place, batch in enumerate(batches)
    ]
    done = await race(*calls)
    added = 0
    for each in done:
        assert not isinstance(each, BaseException)
        added += len(each.added)
    assert added == await executions(rivals[0], flow) == 110


@contract
async def test_as_many_as_may_be_are_added_at_once(scope: TenantScope) -> None:
    """And no more."""
    flow = await flow_in(scope)
    batch = {f"k{n}": ONE for n in range(MAX_KEYED)}
    assert len((await scope.flows.record_many_metrics(flow, DAY, batch)).added) == MAX_KEYED
    assert await executions(scope, flow) == MAX_KEYED
    error = await raised_by(scope.flows.record_many_metrics(flow, DAY, {**batch, "more": ONE}))
    assert isinstance(error, ValidationError)


@contract
async def test_what_would_leave_its_bounds_leaves_no_key(scope: TenantScope) -> None:
    """So that it is refused as often as it comes, and taken by another day."""
    flow = await flow_in(scope)
    await scope.flows.record_metrics(flow, DAY, MOST)
    for key in ("k", "k"):
        error = await raised_by(scope.flows.record_metrics(flow, DAY, ONE, key=key))
        assert isinstance(error, ValidationError)
    many = {"a": ONE, "b": MetricIncrements(errors=1)}
    assert isinstance(
        await raised_by(scope.flows.record_many_metrics(flow, DAY, many)), ValidationError
    )
    both = {"a": MOST, "b": ONE}
    assert isinstance(
        await raised_by(scope.flows.record_many_metrics(flow, NEXT, both)), ValidationError
    )
    names = {f"n{n}": 1.0 for n in range(60)}
    wide = MetricIncrements(custom_metrics=names)
    wider = MetricIncrements(custom_metrics={f"m{name}": 1.0 for name in names})
    await scope.flows.record_metrics(flow, NEXT, wide, key="wide")
    error = await raised_by(scope.flows.record_metrics(flow, NEXT, wider, key="wider"))
    assert isinstance(error, ValidationError)
    held = await figures(scope, flow)
    assert held is not None
    assert (held.totals, held.revision) == (MOST, 1)
    assert (await scope.flows.record_metrics(flow, NEXT, ONE, key="k")).totals.executions == 1


@contract
async def test_only_what_is_added_together_has_bounds(scope: TenantScope) -> None:
    """Of several that are added at once; not each of the sums on the way."""
    flow, most = await flow_in(scope), 1e15
    amounts = {"a": most, "b": most, "c": -most}
    given = {key: MetricIncrements(custom_metrics={"n": n}) for key, n in amounts.items()}
    assert told_of(await scope.flows.record_many_metrics(flow, DAY, given)) == "abc||"
    held = await figures(scope, flow)
    assert held is not None
    assert held.totals.custom_metrics == {"n": most}


@contract
async def test_what_can_be_no_key_is_refused(scope: TenantScope) -> None:
    """Nor increments, nor a flow that isn't there; nothing is added."""
    flow = await flow_in(scope)
    record: Any = scope.flows.record_metrics
    many: Any = scope.flows.record_many_metrics
    for key in ("", "x" * 256, "a\n", 7, b"k", "\ud800"):
        assert isinstance(await raised_by(record(flow, DAY, ONE, key)), ValidationError), key
        assert isinstance(await raised_by(many(flow, DAY, {key: ONE})), ValidationError), key
    for given in ({"k": None}, {"k": ONE, "l": {"executions": 1}}, [("k", ONE)], None):
        assert isinstance(await raised_by(many(flow, DAY, given)), ValidationError), given
    for call in (record(uuid4(), DAY, ONE, "k"), many(uuid4(), DAY, {"k": ONE})):
        assert isinstance(await raised_by(call), EntityNotFoundError)
    assert await figures(scope, flow) is None


@contract
async def test_a_key_goes_with_its_flow(backend: Backend) -> None:
    """Who comes late is told that there is none; a flow that takes its place begins anew."""
    scope = backend.fresh()
    made = await scope.flows.create(Flow.draft(name="told"))
    await scope.flows.record_metrics(made.id, DAY, ONE, key="k")
    await scope.flows.delete(made.id)
    error = await raised_by(scope.flows.record_metrics(made.id, DAY, ONE, key="k"))
    assert isinstance(error, EntityNotFoundError)
    await scope.flows.create(Flow.draft(name="told", id=made.id))
    assert await figures(scope, made.id) is None
    assert (await scope.flows.record_metrics(made.id, DAY, ONE, key="k")).totals == ONE


@contract
async def test_within_a_unit_of_work_a_key_is_kept_with_all_of_it_or_not(
    backend: Backend,
) -> None:
    """What was rolled back can come again; two units at once are told, or one of them waits."""
    one, two = backend.rivals()
    flow = await flow_in(one)

    async def within(scope: TenantScope, *, fail: bool = False) -> None:
        async with scope.authoring() as work:
            await work.flows.record_metrics(flow, DAY, ONE, key="k")
            await work.flows.record_metrics(flow, DAY, ONE, key="k")
            if fail:
                raise LookupError

    assert isinstance(await raised_by(within(one, fail=True)), LookupError)
    assert await figures(one, flow) is None
    done = await race(*(within(scope) for scope in (one, two, one, two)))
    assert {type(each) for each in done} <= {type(None), TransactionError}
    await within(two)
    assert await executions(one, flow) == 1


@contract
async def test_keys_are_purged_by_the_time_at_which_they_came(backend: Backend) -> None:
    """The figures stay; what comes with a key that is gone is added."""
    scope, other = backend.fresh(), backend.fresh()
    flow, theirs = await flow_in(scope), await flow_in(other)
    await scope.flows.record_many_metrics(flow, DAY, {"a": ONE, "b": ONE})
    await other.flows.record_metrics(theirs, DAY, ONE, key="a")
    backend.clock.advance(hours=1)
    now = backend.clock.kept
    await scope.flows.record_metrics(flow, DAY, ONE, key="c")
    purge = maintenance(backend).purge_metric_keys
    assert await purge(now - timedelta(days=400)) == 0
    assert await purge(now, limit=1) == 1
    assert await purge(now) >= 2
    assert await purge(now) == 0
    assert await executions(scope, flow) == 3
    told = await scope.flows.record_many_metrics(flow, DAY, {"a": ONE, "b": ONE, "c": ONE})
    assert told_of(told) == "ab|c|"
    assert isinstance(await raised_by(purge(now.replace(tzinfo=None))), ValidationError)
