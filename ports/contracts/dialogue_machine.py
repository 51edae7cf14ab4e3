"""Any course of a dialogue, in lockstep with the reference: results, order and errors agree."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from domain.contexts import ExecutionContext
from domain.conversations import Conversation, ConversationStatus
from domain.identity import EntryDraft
from domain.messages import Generation, Message, MessageAnalysis, Moderation
from ports.capabilities import Capability
from ports.contracts.dialogue_model import DialogueModel
from ports.contracts.dialogues import Holder
from ports.contracts.exact import exact, outcome
from ports.contracts.groups import Group
from ports.contracts.harness import Backend, examples
from ports.contracts.model import Draw
from ports.contracts.state_machine import Mishap
from ports.conversations import CONVERSATION_SCHEMA
from ports.criteria import Where
from ports.errors import TransactionError
from ports.messages import MESSAGE_SCHEMA

TALKS = ("a", "a:b")
TIME = datetime(2024, 2, 29, 12, tzinfo=UTC)
FUTURE = datetime(2900, 1, 1, tzinfo=UTC)
ANALYSIS = MessageAnalysis(intent="greet", confidence=0.5)
WHERE: Where[Message] = Where(MESSAGE_SCHEMA)
DRAFTS = [
    Message.draft("hello"),
    Message.draft("hello World", analysis=ANALYSIS),
    Message.draft("hello", id="m1"),
    Message.draft("Straße", id="m2", at=TIME),
    Message.draft("订酒店", at=FUTURE, direction="outbound"),
    Message.draft(payload={"n": 3}),
    Message.draft(payload={"n": 3.0}),
]
CRITERIA = [
    WHERE.search("hello"),
    WHERE.search("strasse"),
    WHERE.search(""),
    WHERE("intent").eq("greet"),
    WHERE("text").is_null(),
    WHERE("conversation_id").eq("a"),
    WHERE("deleted_at").is_not_null(),
]
STATUS = Where(CONVERSATION_SCHEMA)("status")


@attrs.frozen
class Step:
    """A call of one of the repositories, which the store and the model both get."""

    kind: str
    name: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = attrs.field(factory=dict)


@attrs.define
class Past:
    """What happened before, for it to happen again: appends, and entities that were seen."""

    appends: list[Step] = attrs.field(factory=list)
    messages: list[str] = attrs.field(factory=list)
    conversations: list[Conversation] = attrs.field(factory=list)
    contexts: list[ExecutionContext] = attrs.field(factory=list)

    def copy(self) -> "Past":
        """Another one that begins as this one is."""
        return Past(*(list(kept) for kept in attrs.astuple(self, recurse=False)))

    def add(self, step: Step, result: object) -> None:
        """Remember what was done and seen."""
        if step.name == "append":
            self.appends.append(step)
        for item in result if isinstance(result, tuple) else (result,):
            if isinstance(item, Message):
                self.messages.append(item.id)
            elif isinstance(item, Conversation):
                self.conversations.append(item)
            elif isinstance(item, ExecutionContext):
                self.contexts.append(item)


_DRAFTED: st.SearchStrategy[list[EntryDraft[Message]]] = st.lists(
    st.sampled_from(DRAFTS), min_size=1, max_size=2
)
_REVISIONS = st.none() | st.integers(1, 3)
_PLACES = st.none() | st.integers(0, 4)


def _with_other_drafts(step: Step, drafts: list[EntryDraft[Message]]) -> Step:
    return attrs.evolve(step, arguments=(step.arguments[0], drafts))


def draw_step(draw: Draw, past: Past) -> Step:
    """Anything that may be done, most often an append."""
    talk = draw(st.sampled_from(TALKS))
    message = draw(st.sampled_from([*past.messages[-8:], "m1"]))
    ways: dict[str, Callable[[], Step]] = {
        "begin": lambda: Step(
            "conversations", "create", (Conversation.draft(user_id="ada", id=talk),)
        ),
        "append": lambda: Step(
            "messages",
            "append",
            (talk, draw(_DRAFTED)),
            {
                "idempotency_key": draw(st.none() | st.sampled_from("kK")),
                "expected_sequence": draw(st.none() | st.integers(0, 4)),
            },
        ),
        "say": lambda: Step("messages", "append", (talk, draw(_DRAFTED))),
        "annotate": lambda: Step("messages", "annotate", (message,), draw(_PARTS)),
        "redact": lambda: Step("messages", "redact", (message,)),
        "get": lambda: Step("messages", "get_by_id", (message,)),
        "history": lambda: Step(
            "messages",
            "history",
            (talk,),
            {"after": draw(_PLACES), "before": draw(_PLACES), "limit": draw(st.integers(1, 3))},
        ),
        "latest": lambda: Step("messages", "latest", (talk, draw(st.integers(1, 3)))),
        "count": lambda: Step("messages", "count", (draw(st.sampled_from(CRITERIA)),)),
        "scan": lambda: Step(
            "messages", "scan", (draw(st.sampled_from(CRITERIA)), "-at"), {"limit": 1_000}
        ),
        "transition": lambda: Step(
            "conversations",
            "transition",
            (talk, draw(st.sampled_from(ConversationStatus))),
            {"expected_revision": draw(_REVISIONS)},
        ),
        "touch": lambda: Step(
            "conversations", "touch", (talk,), {"at": draw(st.sampled_from([None, TIME, FUTURE]))}
        ),
        "enter": lambda: Step("conversations", "enter_state", (talk, "ask")),
        "close_idle": lambda: Step(
            "conversations", "close_idle", (FUTURE,), {"limit": draw(st.none() | st.just(1))}
        ),
        "delete": lambda: Step("conversations", "delete", (talk, draw(_REVISIONS))),
        "delete_where": lambda: Step(
            "conversations", "delete_where", (STATUS.eq(draw(st.sampled_from(ConversationStatus))),)
        ),
        "save": lambda: Step(
            "contexts",
            "save",
            (
                ExecutionContext.draft(
                    talk, user_id="ada", current_state=draw(st.sampled_from(["start", "ask"]))
                ),
            ),
        ),
        "reset": lambda: Step("contexts", "reset", (talk, "why")),
    }
    if past.appends:
        ways["again"] = lambda: draw(st.sampled_from(past.appends))
    if keyed := [step for step in past.appends if step.named.get("idempotency_key")]:
        ways["reuse"] = lambda: _with_other_drafts(draw(st.sampled_from(keyed)), draw(_DRAFTED))
    if past.conversations:
        ways["update"] = lambda: Step(
            "conversations",
            "update",
            (attrs.evolve(draw(st.sampled_from(past.conversations)), summary="x"),),
        )
    if past.contexts:
        ways["resave"] = lambda: Step(
            "contexts",
            "update",
            (attrs.evolve(draw(st.sampled_from(past.contexts)), error_count=1),),
        )
    names = [*ways, *["append", "say", "again", "reuse", "annotate", "redact"] * 2]
    return ways[draw(st.sampled_from([name for name in names if name in ways]))]()


_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "analysis": st.sampled_from([None, ANALYSIS]),
        "generation": st.sampled_from([None, Generation(model="m")]),
        "moderation": st.sampled_from([None, Moderation(flagged=True)]),
    },
).filter(bool)


async def attempted(step: Step, holder: Holder) -> object:
    """What it returns, or raises."""
    try:
        repository = getattr(holder, step.kind)
        result: object = await getattr(repository, step.name)(*step.arguments, **step.named)
    except Exception as error:  # noqa: BLE001  # compared by the caller
        return error
    return result


async def in_lockstep(step: Step, holder: Holder, model: DialogueModel, past: Past) -> None:
    """Both do it, and come to the same."""
    result = await attempted(step, holder)
    if step.name == "append" and isinstance(result, tuple):
        model.messages.minted = [message.id for message in result]
    expected: object
    try:
        with model.cascading():
            part = getattr(model, step.kind)
            expected = getattr(part, step.name)(*step.arguments, **step.named)
    except Exception as error:  # noqa: BLE001  # whatever it is, the store must raise it too
        expected = error
    model.messages.minted = ()
    assert outcome(result) == outcome(expected), step
    past.add(step, result)


class Machine(RuleBasedStateMachine):
    """One tenant's dialogues, led by two instances of the store."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.scopes = backend.rivals()
        self.model = DialogueModel.of(self.scopes[0].tenant, backend.clock)
        self.past = Past()

    @initialize()
    def begin(self) -> None:
        """Most of what can be done needs conversations."""
        for talk in TALKS:
            draft = Conversation.draft(user_id="ada", id=talk)
            step = Step("conversations", "create", (draft,))
            self.backend.run(in_lockstep(step, self.scopes[0], self.model, self.past))

    def tick(self) -> None:
        """Each step has its own millisecond, for what is ordered by time."""
        self.backend.clock.advance(milliseconds=1)

    @rule(data=st.data(), instance=st.sampled_from([0, 1]))
    def operate(self, data: st.DataObject, instance: int) -> None:
        """One operation by itself."""
        self.tick()
        step = draw_step(data.draw, self.past)
        self.backend.run(in_lockstep(step, self.scopes[instance], self.model, self.past))

    @rule(data=st.data(), instance=st.sampled_from([0, 1]), rolled_back=st.booleans())
    def unit(self, data: st.DataObject, instance: int, rolled_back: bool) -> None:
        """Some operations in a unit of work, while the other instance looks from outside."""
        if Capability.TRANSACTIONS not in self.backend.capabilities(Group.DIALOGUE):
            return
        staged, past = self.model.copy(), self.past.copy()

        async def steps() -> None:
            async with self.scopes[instance].dialogue() as work:
                for _ in range(data.draw(st.integers(1, 4))):
                    self.tick()
                    step = draw_step(data.draw, past)
                    if staged.doomed:
                        refused = await attempted(step, work)
                        assert isinstance(refused, TransactionError), step
                    else:
                        await in_lockstep(step, work, staged, past)
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
            self.model, self.past = staged, past
        self.backend.run(self.agree(instance))

    async def agree(self, instance: int) -> None:
        """Everything that shows outside of units is as the model has it."""
        scope, model = self.scopes[instance], self.model
        for repository, part in (
            (scope.conversations, model.conversations),
            (scope.contexts, model.contexts),
        ):
            stored = [entity async for entity in repository.stream()]
            assert exact(stored) == exact(sorted(part.entities.values(), key=lambda one: one.id))
        for talk in TALKS:
            log = [message async for message in scope.messages.stream_history(talk)]
            assert exact(log) == exact(model.messages.log_of(talk))
        assert await scope.messages.count() == len(model.messages.entries)

    def teardown(self) -> None:
        """At the end, nothing is left over and nothing missing."""
        self.backend.run(self.agree(0))


def test_any_course_of_a_dialogue_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, alone and in units of work, by either instance."""
    factory: Any = lambda: Machine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.2), stateful_step_count=20))
