"""Any course of operations, in lockstep with the reference: results, order and errors agree."""

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.errors import ValidationError
from ports.capabilities import Capability
from ports.contracts import entities
from ports.contracts.exact import exact, outcome
from ports.contracts.harness import Backend, examples
from ports.contracts.model import Draw, Operation, RepositoryModel
from ports.contracts.queries import criteria, orders
from ports.contracts.subjects import Entity, Subject
from ports.errors import TransactionError
from ports.paging import Pagination
from ports.repository import Repository

REVISIONS = st.none() | st.integers(1, 4)


class Mishap(Exception):
    """What ends a unit of work that is to be rolled back."""


def _edited(draw: Draw, subject: Subject, seen: list[Entity]) -> Entity:
    """An entity that was seen some time, perhaps since changed, with a change of the caller's."""
    entity = draw(st.sampled_from(seen))
    ways = dict(subject.course.few)
    if subject.schema.lifecycle is not None:
        ways["status"] = st.sampled_from(list(subject.schema.lifecycle.table))
    names = draw(st.lists(st.sampled_from(sorted(ways)), min_size=1, max_size=2, unique=True))
    try:
        return attrs.evolve(entity, **{name: draw(ways[name]) for name in names})
    except ValidationError:  # for a rule between fields
        return entity


def draw_operation(
    draw: Draw, subject: Subject, seen: list[Entity], known: list[Entity]
) -> Operation:
    """Any operation, most often on what is there."""
    schema, course = subject.schema, subject.course
    ids = st.sampled_from(subject.ids.few)
    drafts = entities.drafts(schema, {**course.few, "id": ids})
    patches = entities.patches(schema, course.few)
    wanted = criteria(schema, known, regex=False)
    id = draw(ids)
    ways: dict[str, Callable[[], Operation]] = {
        "create": lambda: Operation("create", (draw(drafts),)),
        "create_many": lambda: Operation(
            "create_many", (draw(st.lists(drafts, min_size=1, max_size=3)),)
        ),
        "get_by_id": lambda: Operation("get_by_id", (id,)),
        "get_many": lambda: Operation("get_many", (draw(st.lists(ids, min_size=1, max_size=4)),)),
        "patch": lambda: Operation("patch", (id, draw(REVISIONS)), draw(patches)),
        "delete": lambda: Operation("delete", (id, draw(REVISIONS))),
        "count": lambda: Operation("count", (draw(wanted),)),
        "list": lambda: Operation(
            "list",
            (
                draw(wanted),
                Pagination(draw(st.integers(1, 2)), draw(st.integers(1, 3))),
                draw(orders(schema)),
            ),
        ),
        "update_where": lambda: Operation("update_where", (draw(wanted),), draw(patches)),
        "delete_where": lambda: Operation("delete_where", (draw(wanted),)),
        **course.operations(draw, id),
    }
    if seen:
        ways["update"] = lambda: Operation("update", (_edited(draw, subject, seen),))
    # What makes and changes entities is drawn more often than what only looks.
    names = [*ways, *["create", "update", *course.often] * 2]
    return ways[draw(st.sampled_from([name for name in names if name in ways]))]()


async def in_lockstep(
    operation: Operation,
    repository: Repository[Entity],
    model: RepositoryModel,
    seen: list[Entity],
) -> None:
    """Both do it, and come to the same."""
    expected: object
    try:
        expected = getattr(model, operation.name)(*operation.arguments, **operation.named)
    except Exception as error:  # noqa: BLE001  # whatever it is, the store must raise it too
        expected = error
    result = await attempted(operation, repository)
    assert outcome(result, operation.minted) == outcome(expected, operation.minted)
    seen.extend(item for item in (result, expected) if isinstance(item, model.schema.entity))


async def attempted(operation: Operation, repository: Repository[Entity]) -> object:
    """What it returns, or raises."""
    try:
        result: object = await getattr(repository, operation.name)(
            *operation.arguments, **operation.named
        )
    except Exception as error:  # noqa: BLE001  # compared by the caller
        return error
    return result


class Machine(RuleBasedStateMachine):
    """One tenant's entities, written by two instances of the store."""

    def __init__(self, backend: Backend, subject: Subject) -> None:
        super().__init__()
        self.backend = backend
        self.subject = subject
        self.scopes = backend.rivals()
        tenant = self.scopes[0].tenant
        self.model = subject.course.model(subject.schema, tenant, backend.clock)
        self.seen: list[Entity] = []

    def tick(self) -> None:
        """Each step has its own millisecond, for what is ordered by time."""
        self.backend.clock.advance(milliseconds=1)

    @rule(data=st.data(), instance=st.sampled_from([0, 1]))
    def operate(self, data: st.DataObject, instance: int) -> None:
        """One operation by itself."""
        self.tick()
        known = list(self.model.entities.values())
        operation = draw_operation(data.draw, self.subject, self.seen, known)
        repository = self.subject.of(self.scopes[instance])
        self.backend.run(in_lockstep(operation, repository, self.model, self.seen))

    @rule(data=st.data(), instance=st.sampled_from([0, 1]), rolled_back=st.booleans())
    def unit(self, data: st.DataObject, instance: int, rolled_back: bool) -> None:
        """Some operations in a unit of work, while the other instance looks from outside."""
        if Capability.TRANSACTIONS not in self.backend.capabilities(self.subject.group):
            return
        staged, seen = self.model.copy(), list(self.seen)

        async def steps() -> None:
            async with self.subject.unit(self.scopes[instance]) as work:
                repository = self.subject.of(work)
                for _ in range(data.draw(st.integers(1, 4))):
                    self.tick()
                    known = list(staged.entities.values())
                    operation = draw_operation(data.draw, self.subject, seen, known)
                    if staged.doomed:
                        refused = await attempted(operation, repository)
                        assert isinstance(refused, TransactionError), operation
                    else:
                        await in_lockstep(operation, repository, staged, seen)
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
        repository = self.subject.of(self.scopes[instance])
        stored = [entity async for entity in repository.stream()]
        expected = sorted(self.model.entities.values(), key=lambda entity: entity.id)
        assert exact(stored) == exact(expected)

    def teardown(self) -> None:
        """At the end, nothing is left over and nothing missing."""
        self.backend.run(self.agree(0))


def test_any_course_of_operations_agrees_with_the_model(backend: Backend, subject: Subject) -> None:
    """Whatever is done in whatever order, alone and in units of work, by either instance."""
    factory: Any = lambda: Machine(backend, subject)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.25), stateful_step_count=20))
