"""Any course of sessions and of execution states while time passes, in lockstep with the reference:
results, order and errors agree.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.conversations import Channel
from domain.executions import ExecutionState
from domain.sessions import IssuedSession, Session
from ports.contracts.exact import exact, outcome
from ports.contracts.harness import Backend, examples
from ports.contracts.keyed_model import ExecutionModel, SessionModel
from ports.contracts.model import Draw, Operation

USERS = ("ada", "ada:b")
TALKS = ("a", "a:b")
SPANS = [timedelta(seconds=1), timedelta(seconds=3), timedelta(minutes=1), timedelta(days=2)]
PASSING = [0, 1, 499, 999, 1_000, 2_001, 60_000, 86_400_000]
"""Milliseconds; as long as what is kept for so long, and a little less or more."""
DOCUMENTS = [{}, {"n": 3}, {"n": 3.0, "$set": {"a.b": None}}, {"m": []}]

_span = st.sampled_from(SPANS)
_perhaps_span = st.none() | _span
_document = st.sampled_from(DOCUMENTS)
_revision = st.none() | st.integers(1, 4)
_token = st.none() | st.integers(0, 3)


def session_steps(draw: Draw, machine: "SessionMachine") -> dict[str, Callable[[], Operation]]:
    """Anything that may be done to sessions, most often to one that was seen."""
    token = draw(st.sampled_from([*machine.tokens[-6:], "nobody's"]))
    user = draw(st.sampled_from(USERS))
    ways = {
        "create": lambda: Operation(
            "create",
            (user,),
            {
                "context": draw(_document),
                "idle_timeout": draw(_span),
                "lifetime": draw(_span),
            },
        ),
        "get": lambda: Operation("get", (token,), {"touch": draw(st.booleans())}),
        "patch": lambda: Operation(
            "patch",
            (token, draw(_revision)),
            {"context": draw(_document), "channel": draw(st.sampled_from(list(Channel)[:2]))},
        ),
        "merge": lambda: Operation(
            "merge", (token,), {"context": draw(_document), "features": draw(_document)}
        ),
        "extend": lambda: Operation(
            "extend",
            (token,),
            {"idle_timeout": draw(_perhaps_span), "lifetime": draw(_span)},
        ),
        "rotate": lambda: Operation("rotate", (token,)),
        "delete": lambda: Operation("delete", (token,)),
        "for_user": lambda: Operation("for_user", (user,)),
        "delete_for_user": lambda: Operation(
            "delete_for_user", (user,), {"keep": draw(st.sampled_from([None, token]))}
        ),
    }
    if machine.seen:
        past: Session = draw(st.sampled_from(machine.seen[-8:]))
        ways["revoke"] = lambda: Operation("revoke", (past.id,))
        ways["update"] = lambda: Operation(
            "update",
            (
                attrs.evolve(
                    past,
                    conversation_id=draw(st.sampled_from([None, "a"])),
                    idle_timeout=draw(_span),
                    user_id=draw(st.sampled_from([past.user_id, past.user_id, "eve"])),
                ),
            ),
        )
    return ways


def execution_steps(draw: Draw, machine: "ExecutionMachine") -> dict[str, Callable[[], Operation]]:
    """Anything that may be done to execution states."""
    talk = draw(st.sampled_from(TALKS))
    fence = {"fencing_token": draw(_token)}
    ways = {
        "draft": lambda: Operation(
            "save",
            (ExecutionState.draft(talk, slots=draw(_document), ttl=draw(_span)),),
            fence,
        ),
        "get": lambda: Operation("get", (talk,)),
        "patch": lambda: Operation(
            "patch",
            (talk, draw(_revision)),
            {"turn_count": draw(st.integers(0, 2)), "slots": draw(_document), **fence},
        ),
        "enter_state": lambda: Operation(
            "enter_state", (talk, draw(st.sampled_from(["ask", "$"]))), fence
        ),
        "update_slots": lambda: Operation("update_slots", (talk, draw(_document)), fence),
        "extend": lambda: Operation("extend", (talk, draw(_span)), fence),
        "delete": lambda: Operation("delete", (talk,), fence),
    }
    if machine.seen:
        past: ExecutionState = draw(st.sampled_from(machine.seen[-6:]))
        ways["save"] = lambda: Operation("save", (past.took_turn(),), fence)
    return ways


class Machine(RuleBasedStateMachine):
    """One tenant's data, led by two instances of the store, while time passes."""

    port: str
    often: tuple[str, ...]

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.scopes = backend.rivals()
        self.model: Any = None
        self.seen: list[Any] = []

    def steps(self, draw: Draw) -> dict[str, Callable[[], Operation]]:
        """What may be done next."""
        raise AssertionError

    def remember(self, result: object) -> None:
        """What the store answered, before the model is asked."""

    async def agree(self, instance: int) -> None:
        """Everything that there is is as the model has it."""

    @rule(milliseconds=st.sampled_from(PASSING))
    def time_passes(self, milliseconds: int) -> None:
        """And something may expire."""
        self.backend.clock.advance(milliseconds=milliseconds)
        self.backend.run(self.agree(0))

    @rule(data=st.data(), instance=st.sampled_from([0, 1]))
    def operate(self, data: st.DataObject, instance: int) -> None:
        """One operation."""
        ways = self.steps(data.draw)
        names = [*ways, *(name for name in self.often * 2 if name in ways)]
        step = ways[data.draw(st.sampled_from(names))]()
        self.backend.run(self.in_lockstep(step, instance))

    async def in_lockstep(self, step: Operation, instance: int) -> None:
        """Both do it, and come to the same."""
        result: object
        expected: object
        port = getattr(self.scopes[instance], self.port)
        try:
            result = await getattr(port, step.name)(*step.arguments, **step.named)
        except Exception as error:  # noqa: BLE001  # compared below
            result = error
        self.remember(result)
        try:
            expected = getattr(self.model, step.name)(*step.arguments, **step.named)
        except Exception as error:  # noqa: BLE001  # whatever it is, the store must raise it too
            expected = error
        assert outcome(result) == outcome(expected), step
        await self.agree(1 - instance)


class SessionMachine(Machine):
    """Sessions of two users."""

    port = "sessions"
    often = ("create", "create", "get", "extend", "update")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.model = SessionModel(self.scopes[0].tenant, backend.clock)
        self.tokens: list[str] = []

    def steps(self, draw: Draw) -> dict[str, Callable[[], Operation]]:
        return session_steps(draw, self)

    def remember(self, result: object) -> None:
        if isinstance(result, IssuedSession):
            self.model.fresh = result.token
            self.tokens.append(result.token)
            self.seen.append(result.session)
        elif isinstance(result, Session):
            self.seen.append(result)

    async def agree(self, instance: int) -> None:
        sessions = self.scopes[instance].sessions
        for token in self.tokens[-6:]:
            found = await sessions.get(token, touch=False)
            assert exact(found) == exact(self.model.get(token, touch=False))

    def teardown(self) -> None:
        """The lists are right in the end."""
        sessions = self.scopes[0].sessions
        for user in USERS:
            listed = self.backend.run(sessions.for_user(user))
            assert exact(listed) == exact(self.model.for_user(user))


class ExecutionMachine(Machine):
    """Execution states of two conversations."""

    port = "executions"
    often = ("draft", "save", "update_slots", "delete")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.model = ExecutionModel(self.scopes[0].tenant, backend.clock)

    def steps(self, draw: Draw) -> dict[str, Callable[[], Operation]]:
        return execution_steps(draw, self)

    def remember(self, result: object) -> None:
        if isinstance(result, ExecutionState):
            self.seen.append(result)

    async def agree(self, instance: int) -> None:
        for talk in TALKS:
            found = await self.scopes[instance].executions.get(talk)
            assert exact(found) == exact(self.model.get(talk))


def test_any_course_of_sessions_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, by either instance, whenever time passes."""
    factory: Any = lambda: SessionMachine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.4), stateful_step_count=20))


def test_any_course_of_execution_states_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, by either instance, whenever time passes."""
    factory: Any = lambda: ExecutionMachine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.4), stateful_step_count=20))
