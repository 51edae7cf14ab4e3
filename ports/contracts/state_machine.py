"""Any course of operations, in lockstep with the reference: results, order and errors agree."""

from collections.abc import Callable
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.definitions import FlowDefinition
from domain.flows import Flow, FlowStatus
from ports.capabilities import Capability
from ports.contracts.exact import exact, outcome
from ports.contracts.harness import Backend, examples
from ports.contracts.model import FlowModel
from ports.contracts.queries import criteria, orders
from ports.contracts.strategies import increments
from ports.errors import TransactionError
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.paging import Pagination

IDS = st.sampled_from([UUID(int=n << 100 | n) for n in range(1, 6)])
NAMES = st.sampled_from(["a", "A", "%"])
VERSIONS = st.sampled_from(["1.0", "1.1", "2.0"])
NOTES = st.none() | st.sampled_from(["", "x", "X%", "ß", "\\"])
BY = st.none() | st.just("ada")
DAYS = st.sampled_from([date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)])
DEFINITIONS = st.sampled_from([FlowDefinition(), FlowDefinition.external({"n": 3.0})])
REVISIONS = st.none() | st.integers(1, 4)
DRAFTS = st.builds(
    Flow.draft,
    id=IDS,
    name=NAMES,
    version=VERSIONS,
    definition=DEFINITIONS,
    description=NOTES,
    tags=st.lists(NAMES, max_size=2),
)
PATCHES = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "description": NOTES, "category": NOTES.filter(lambda x: x != "")}
).filter(bool)


class Mishap(Exception):
    """What ends a unit of work that is to be rolled back."""


@attrs.frozen
class Operation:
    """A call that the store and the model both get."""

    name: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = attrs.field(factory=dict)


Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


def _edited(draw: Draw, seen: list[Flow]) -> Flow | None:
    """An entity that was seen some time, perhaps since changed, with a change of the caller's."""
    if not seen:
        return None
    flow: Flow = draw(st.sampled_from(seen))
    change = draw(st.sampled_from(["description", "name", "status", "is_default"]))
    if change == "description":
        return attrs.evolve(flow, description=draw(NOTES))
    if change == "name":
        return attrs.evolve(flow, name=draw(NAMES), version=draw(VERSIONS))
    if change == "is_default":
        return flow.as_default(flow.status is FlowStatus.ACTIVE)
    statuses = set(FlowStatus) - ({FlowStatus.ACTIVE} if flow.definition.faults else set())
    status = draw(st.sampled_from(sorted(statuses)))
    stays = flow.is_default and status is FlowStatus.ACTIVE
    return attrs.evolve(flow, status=status, is_default=stays)


def draw_operation(draw: Draw, seen: list[Flow], known: list[Flow]) -> Operation:
    """Any operation, most often on what is there."""
    edited = _edited(draw, seen)
    wanted = criteria(FLOW_SCHEMA, known, regex=False)
    id = draw(IDS)
    ways: dict[str, Callable[[], Operation]] = {
        "create": lambda: Operation("create", (draw(DRAFTS),)),
        "create_many": lambda: Operation(
            "create_many", (draw(st.lists(DRAFTS, min_size=1, max_size=3)),)
        ),
        "get_by_id": lambda: Operation("get_by_id", (id,)),
        "get_many": lambda: Operation("get_many", (draw(st.lists(IDS, min_size=1, max_size=4)),)),
        "patch": lambda: Operation("patch", (id, draw(REVISIONS)), draw(PATCHES)),
        "delete": lambda: Operation("delete", (id, draw(REVISIONS))),
        "count": lambda: Operation("count", (draw(wanted),)),
        "list": lambda: Operation(
            "list",
            (
                draw(wanted),
                Pagination(draw(st.integers(1, 2)), draw(st.integers(1, 3))),
                draw(orders(FLOW_SCHEMA)),
            ),
        ),
        "update_where": lambda: Operation("update_where", (draw(wanted),), draw(PATCHES)),
        "delete_where": lambda: Operation("delete_where", (draw(wanted),)),
        "get_default": lambda: Operation("get_default"),
        "set_default": lambda: Operation("set_default", (id,), {"by": draw(BY)}),
        "unset_default": lambda: Operation("unset_default", (), {"by": draw(BY)}),
        "publish": lambda: Operation("publish", (id,), {"by": draw(BY)}),
        "move_to": lambda: Operation(
            "move_to", (id, draw(st.sampled_from(sorted(set(FlowStatus) - {FlowStatus.ACTIVE}))))
        ),
        "archive": lambda: Operation("archive", (id,), {"by": draw(BY)}),
        "restore": lambda: Operation("restore", (id,), {"by": draw(BY)}),
        "increment_usage": lambda: Operation("increment_usage", (id, draw(st.integers(1, 9)))),
        "create_version": lambda: Operation(
            "create_version", (id,), {"version": draw(st.none() | VERSIONS), "by": draw(BY)}
        ),
        "get_versions": lambda: Operation("get_versions", (id,)),
        "rollback_to": lambda: Operation("rollback_to", (id, draw(VERSIONS))),
        "record_metrics": lambda: Operation("record_metrics", (id, draw(DAYS), draw(increments()))),
        "get_metrics": lambda: Operation("get_metrics", (id, draw(DAYS), draw(DAYS))),
    }
    if edited is not None:
        ways["update"] = lambda: Operation("update", (edited,))
    # What makes and changes flows is drawn more often than what only looks.
    names = [*ways, *["create", "publish", "set_default", "update"] * 2]
    return ways[draw(st.sampled_from([name for name in names if name in ways]))]()


async def in_lockstep(
    operation: Operation, flows: FlowRepository, model: FlowModel, seen: list[Flow]
) -> None:
    """Both do it, and come to the same."""
    expected: object
    try:
        expected = getattr(model, operation.name)(*operation.arguments, **operation.named)
    except Exception as error:  # noqa: BLE001  # whatever it is, the store must raise it too
        expected = error
    result = await attempted(operation, flows)
    minted = {"id"} if "version" in operation.name else set()
    assert outcome(result, minted) == outcome(expected, minted)
    seen.extend(item for item in (result, expected) if isinstance(item, Flow))


async def attempted(operation: Operation, flows: FlowRepository) -> object:
    """What it returns, or raises."""
    try:
        result: object = await getattr(flows, operation.name)(
            *operation.arguments, **operation.named
        )
    except Exception as error:  # noqa: BLE001  # compared by the caller
        return error
    return result


class FlowMachine(RuleBasedStateMachine):
    """One tenant's flows, written by two instances of the store."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.scopes = backend.rivals()
        self.model = FlowModel(self.scopes[0].tenant, backend.clock)
        self.seen: list[Flow] = []

    def tick(self) -> None:
        """Each step has its own millisecond, for what is ordered by time."""
        self.backend.clock.advance(milliseconds=1)

    @rule(data=st.data(), instance=st.sampled_from([0, 1]))
    def operate(self, data: st.DataObject, instance: int) -> None:
        """One operation by itself."""
        self.tick()
        operation = draw_operation(data.draw, self.seen, list(self.model.flows.values()))
        flows = self.scopes[instance].flows
        self.backend.run(in_lockstep(operation, flows, self.model, self.seen))

    @rule(data=st.data(), instance=st.sampled_from([0, 1]), rolled_back=st.booleans())
    def unit(self, data: st.DataObject, instance: int, rolled_back: bool) -> None:
        """Some operations in a unit of work, while the other instance looks from outside."""
        if Capability.TRANSACTIONS not in self.backend.capabilities:
            return
        staged, seen = self.model.copy(), list(self.seen)

        async def steps() -> None:
            async with self.scopes[instance].authoring() as work:
                for _ in range(data.draw(st.integers(1, 4))):
                    self.tick()
                    known = list(staged.flows.values())
                    operation = draw_operation(data.draw, seen, known)
                    if staged.doomed:
                        refused = await attempted(operation, work.flows)
                        assert isinstance(refused, TransactionError), operation
                    else:
                        await in_lockstep(operation, work.flows, staged, seen)
                    await self.agree(1 - instance)
                if rolled_back:
                    raise Mishap

        ended = None
        try:
            self.backend.run(steps())
        except (Mishap, TransactionError) as error:
            ended = error
        if rolled_back:
            assert isinstance(ended, Mishap)
        elif staged.doomed:
            assert isinstance(ended, TransactionError)
        else:
            assert ended is None
            self.model, self.seen = staged, seen
        self.backend.run(self.agree(instance))

    async def agree(self, instance: int) -> None:
        """Everything that shows outside of units is as the model has it."""
        flows = self.scopes[instance].flows
        stored = [flow async for flow in flows.stream()]
        expected = sorted(self.model.flows.values(), key=lambda flow: flow.id)
        assert exact(stored) == exact(expected)

    def teardown(self) -> None:
        """At the end, nothing is left over and nothing missing."""
        self.backend.run(self.agree(0))


def test_any_course_of_operations_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, alone and in units of work, by either instance."""
    factory: Any = lambda: FlowMachine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.4), stateful_step_count=20))
