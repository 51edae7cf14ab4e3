"""Any course of changes and dispatches, in lockstep with queues that are lists."""

from collections import defaultdict
from contextlib import suppress
from typing import Any
from uuid import UUID

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.audit import AuditAction
from domain.flows import Flow
from ports.capabilities import Capability
from ports.contracts.harness import Backend, examples
from ports.contracts.outbox_takers import PATIENT, PAUSE, Refusal, Taker, dispatcher, outbox
from ports.stores import TenantScope

INSTANCES = st.integers(0, 1)
NAMES = ("a", "b", "c")
FLOWS = st.sampled_from(NAMES)
WHO = st.sampled_from([(0,), (1,), (0, 1), ()])
OPTIONS = attrs.evolve(PATIENT, first_pause=PAUSE, longest_pause=PAUSE)
"""A pause is over after a while, or not yet: how often it was refused makes no difference."""

Told = tuple[AuditAction, int]


@attrs.define
class Queue:
    """What waits for a consumer, of one flow."""

    events: list[Told] = attrs.field(factory=list)
    due: float = 0.0


class Machine(RuleBasedStateMachine):
    """One tenant's flows, changed and dispatched by two instances to two consumers."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.scopes = backend.rivals()
        self.takers = [Taker(self.scopes[0].tenant) for _ in range(2)]
        self.revisions: dict[str, int] = {}
        self.ids: dict[str, UUID] = {}
        self.new: list[tuple[UUID, Told]] = []
        self.queues: list[dict[UUID, Queue] | None] = [None, None]
        """Of each consumer, if it is subscribed."""
        self.taken: list[dict[UUID, list[Told]]] = [defaultdict(list), defaultdict(list)]
        self.now = 0.0

    def teardown(self) -> None:
        """Nothing is kept for anybody who is gone."""
        for taker in self.takers:
            self.backend.run(outbox(self.backend).unsubscribe(taker.name))

    async def change(self, scope: TenantScope | Any, name: str, delete: bool) -> tuple[UUID, Told]:
        """Create the flow, or else change or delete it; what is to be told of it."""
        if name not in self.revisions:
            flow = await scope.flows.create(Flow.draft(name=name))
            self.ids[name], self.revisions[name] = flow.id, 1
            return flow.id, (AuditAction.CREATED, 1)
        if delete:
            assert await scope.flows.delete(self.ids[name])
            return self.ids[name], (AuditAction.DELETED, self.revisions.pop(name))
        flow = await scope.flows.patch(self.ids[name], category="x")
        self.revisions[name] = flow.revision
        return flow.id, (AuditAction.UPDATED, flow.revision)

    @rule(by=INSTANCES, name=FLOWS, delete=st.sampled_from([False, False, True]))
    def write(self, by: int, name: str, delete: bool) -> None:
        """A change, by itself."""
        self.new.append(self.backend.run(self.change(self.scopes[by], name, delete)))

    @rule(by=INSTANCES, names=st.lists(FLOWS, min_size=1, max_size=3), commit=st.booleans())
    def write_together(self, by: int, names: list[str], commit: bool) -> None:
        """Several in a unit of work, which may be rolled back."""
        store = self.backend.instances[by].authoring
        if store is None or Capability.TRANSACTIONS not in store.capabilities:
            return
        before = dict(self.revisions), dict(self.ids)
        told: list[tuple[UUID, Told]] = []

        async def unit() -> None:
            async with self.scopes[by].authoring() as work:
                for name in names:
                    told.append(await self.change(work, name, False))
                if not commit:
                    raise Refusal

        with suppress(Refusal):
            self.backend.run(unit())
        if commit:
            self.new.extend(told)
        else:
            self.revisions, self.ids = before

    @rule(who=st.integers(0, 1))
    def subscribe(self, who: int) -> None:
        """A consumer comes; what happened before is none of its business."""
        if self.queues[who] is None:
            self.dispatch(by=0, who=())
            self.queues[who] = {}
            assert self.backend.run(outbox(self.backend).subscribe(self.takers[who].name))

    @rule(by=INSTANCES, who=st.integers(0, 1))
    def unsubscribe(self, by: int, who: int) -> None:
        """A consumer goes, and all that waits for it."""
        waiting = self.queues[who]
        name = self.takers[who].name
        known = self.backend.run(outbox(self.backend, by).unsubscribe(name))
        assert known is (waiting is not None)
        self.queues[who] = None

    @rule(who=st.integers(0, 1), names=st.sets(FLOWS))
    def refuse(self, who: int, names: set[str]) -> None:
        """From now on, a consumer refuses what concerns these."""
        self.takers[who].refusing = {self.ids[name] for name in names & self.ids.keys()}

    @rule(seconds=st.sampled_from([0.01, PAUSE.total_seconds()]))
    def wait(self, seconds: float) -> None:
        """Time passes: next to nothing of a pause, or all of it."""
        self.now += seconds
        self.backend.clock.advance(seconds=seconds)

    @rule(by=INSTANCES, who=WHO)
    def dispatch(self, by: int, who: tuple[int, ...]) -> None:
        """Until nothing is due for these consumers."""
        present = [one for one in who if self.queues[one] is not None]
        takers = [self.takers[one] for one in present]
        running = dispatcher(self.backend, *takers, instance=by, options=OPTIONS)
        self.backend.run(running.once())
        for id, told in self.new:
            for queues in self.queues:
                if queues is not None:
                    queues.setdefault(id, Queue()).events.append(told)
        self.new.clear()
        for one in present:
            self.deliver(one)

    def deliver(self, who: int) -> None:
        """As it should have been."""
        for id, queue in (self.queues[who] or {}).items():
            if not queue.events or queue.due > self.now:
                continue
            if id in self.takers[who].refusing:
                queue.due = self.now + PAUSE.total_seconds()
            else:
                self.taken[who][id].extend(queue.events)
                queue.events.clear()
        for id, told in self.taken[who].items():
            assert self.takers[who].of(id) == told
        assert len(self.takers[who].taken) == sum(map(len, self.taken[who].values()))


def test_any_course_of_changes_and_dispatches_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, by either instance, as time passes."""
    factory: Any = lambda: Machine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.5), stateful_step_count=25))
