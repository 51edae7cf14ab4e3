"""What writes to the authoring and dialogue groups, and what doesn't."""

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import uuid4

import attrs

from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.experiments import Experiment, Variant
from domain.flows import Flow, FlowStatus, MetricIncrements
from domain.identity import UserId
from domain.integrations import CallReport, Integration, IntegrationHealth, IntegrationStatus
from domain.messages import Message, MessageAnalysis
from ports.audit import AuditLog
from ports.contexts import ContextRepository
from ports.contracts.flows import VALID
from ports.contracts.late_operations import READING, Operations, changed, fresh
from ports.conversations import ConversationRepository
from ports.experiments import ExperimentRepository
from ports.flows import FlowRepository
from ports.integrations import IntegrationRepository
from ports.messages import MessageRepository
from ports.stores import TenantScope

DAY: Final = date(2026, 1, 1)
LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SPLIT: Final = (
    Variant(name="control", weight=5_000, is_control=True),
    Variant(name="other", weight=5_000),
)
_ONCE: Final = MetricIncrements(executions=1)
_CALL: Final = CallReport(success=True, latency_ms=1)
_SOMEBODY: Final = UserId("somebody")


def _flow() -> Any:
    return Flow.draft(name=fresh(), definition=VALID)


def _experiment() -> Any:
    return Experiment.draft(name=fresh(), variants=_SPLIT, metrics=["sold"])


def _integration() -> Any:
    return Integration.draft(name=fresh(), type="webhook")


async def authored(scope: TenantScope, user: UserId) -> dict[str, Any]:
    """What the writes of the authoring group begin with."""
    flows, experiments, made = scope.flows, scope.experiments, dict[str, Any]()
    for name in ("draft", "active", "default", "moved", "gone"):
        made[name] = (await flows.create(_flow())).id
        if name in ("active", "default"):
            await flows.publish(made[name])
    old = await flows.require(made["draft"])
    shelved = attrs.evolve(old, id=uuid4(), name=fresh(), status=FlowStatus.ARCHIVED)
    made["archived"] = (await flows.create(shelved)).id
    await flows.set_default(made["default"])
    await flows.create_version(made["draft"])
    for name in ("new", "running", "paused", "other", "left"):
        made[name] = (await experiments.create(_experiment())).id
        if name != "new":
            await experiments.start(made[name])
    await experiments.assign(made["running"], user)
    await experiments.pause(made["paused"])
    made["integration"] = (await scope.integrations.create(_integration())).id
    return made


FLOWS: Final = Operations(
    FlowRepository,
    {
        "create": lambda on, at: on.create(_flow()),
        "create_many": lambda on, at: on.create_many([_flow(), _flow()]),
        "update": lambda on, at: changed(on, at["draft"], description=fresh()),
        "patch": lambda on, at: on.patch(at["draft"], category=fresh()),
        "modify": lambda on, at: on.modify(at["draft"], lambda it: it.edited(category=fresh())),
        "update_where": lambda on, at: on.update_where({"id": at["draft"]}, category=fresh()),
        "unset_default": lambda on, at: on.unset_default(),
        "set_default": lambda on, at: on.set_default(at["active"]),
        "publish": lambda on, at: on.publish(at["draft"]),
        "move_to": lambda on, at: on.move_to(at["moved"], FlowStatus.TESTING),
        "archive": lambda on, at: on.archive(at["moved"]),
        "restore": lambda on, at: on.restore(at["archived"]),
        "increment_usage": lambda on, at: on.increment_usage(at["active"]),
        "record_metrics": lambda on, at: on.record_metrics(at["active"], DAY, _ONCE),
        "record_metrics once": lambda on, at: on.record_metrics(at["active"], DAY, _ONCE, fresh()),
        "record_many_metrics": lambda on, at: on.record_many_metrics(
            at["active"], DAY, {fresh(): _ONCE}
        ),
        "refresh_statistics": lambda on, at: on.refresh_statistics(at["active"], DAY, DAY),
        "create_version": lambda on, at: on.create_version(at["draft"]),
        "rollback_to": lambda on, at: on.rollback_to(at["draft"], "1.0"),
    },
    deletions={
        "delete": lambda on, at: on.delete(at["gone"]),
        "delete_where": lambda on, at: on.delete_where({"id": at["moved"]}),
    },
    reads=READING
    | {"get_active", "get_by_name_and_version", "get_default", "get_metrics", "get_version"}
    | {"get_versions", "search", "summaries"},
)
EXPERIMENTS: Final = Operations(
    ExperimentRepository,
    {
        "create": lambda on, at: on.create(_experiment()),
        "create_many": lambda on, at: on.create_many([_experiment()]),
        "update": lambda on, at: changed(on, at["new"], description=fresh()),
        "patch": lambda on, at: on.patch(at["new"], hypothesis=fresh()),
        "modify": lambda on, at: on.modify(
            at["new"], lambda it: attrs.evolve(it, description=fresh())
        ),
        "update_where": lambda on, at: on.update_where({"id": at["new"]}, hypothesis=fresh()),
        "start": lambda on, at: on.start(at["new"]),
        "pause": lambda on, at: on.pause(at["other"]),
        "resume": lambda on, at: on.resume(at["paused"]),
        "complete": lambda on, at: on.complete(at["other"]),
        "record_outcome": lambda on, at: on.record_outcome(at["running"], at.user, "sold"),
        "assign": lambda on, at: on.assign(at["left"], at.user),
        "cancel": lambda on, at: on.cancel(at["left"]),
    },
    users=frozenset({"record_outcome", "assign"}),
    deletions={
        "delete": lambda on, at: on.delete(at["other"]),
        "delete_where": lambda on, at: on.delete_where({"id": at["left"]}),
    },
    reads=READING
    | {"assignment_of", "assignments", "get_by_name", "outcomes", "results", "running_for"},
)
INTEGRATIONS: Final = Operations(
    IntegrationRepository,
    {
        "create": lambda on, at: on.create(_integration()),
        "create_many": lambda on, at: on.create_many([_integration()]),
        "update": lambda on, at: changed(on, at["integration"], description=fresh()),
        "patch": lambda on, at: on.patch(at["integration"], description=fresh()),
        "modify": lambda on, at: on.modify(
            at["integration"], lambda it: attrs.evolve(it, description=fresh())
        ),
        "update_where": lambda on, at: on.update_where({}, description=fresh()),
        "move_to": lambda on, at: on.move_to(at["integration"], IntegrationStatus.ACTIVE),
        "set_credentials": lambda on, at: on.set_credentials(at["integration"], None),
        "record_call": lambda on, at: on.record_call(at["integration"], _CALL),
        "mark_health": lambda on, at: on.mark_health(at["integration"], IntegrationHealth.HEALTHY),
        "rotate_credentials": lambda on, at: on.rotate_credentials(),
    },
    deletions={
        "purge_calls": lambda on, at: on.purge_calls(LONG_AGO),
        "delete": lambda on, at: on.delete(at["integration"]),
        "delete_where": lambda on, at: on.delete_where({}),
    },
    reads=READING | {"calls", "get_by_name", "list_by"},
)
AUDIT: Final = Operations(
    AuditLog,
    {},
    # What is sealed is there already: it is put in order, and nothing is added.
    reads=READING | {"anchor", "between", "by_actor", "head", "of_entity", "seal", "verify"},
)


def _conversation(user: UserId) -> Any:
    return Conversation.draft(user_id=user)


def _context(user: UserId) -> Any:
    return ExecutionContext.draft(fresh(), user_id=user)


async def said(scope: TenantScope, user: UserId) -> dict[str, Any]:
    """What the writes of the dialogue group begin with."""
    made: dict[str, Any] = {}
    begun = await scope.conversations.create(_conversation(user))
    (message,) = await scope.messages.append(begun.id, [Message.draft("hello")])
    await scope.contexts.save(ExecutionContext.draft(begun.id, user_id=user))
    headed = attrs.evolve(begun, id=fresh(), last_sequence=1, message_count=1)
    await scope.conversations.create(headed)
    made["conversation"], made["message"], made["headed"] = begun.id, message.id, headed.id
    made["entry"] = attrs.evolve(message, id=fresh(), conversation_id=headed.id)
    return made


CONVERSATIONS: Final = Operations(
    ConversationRepository,
    {
        "create": lambda on, at: on.create(_conversation(at.user)),
        "create_many": lambda on, at: on.create_many(
            [_conversation(_SOMEBODY), _conversation(at.user)]
        ),
        "update": lambda on, at: changed(on, at["conversation"], summary=fresh()),
        "modify": lambda on, at: on.modify(
            at["conversation"], lambda it: attrs.evolve(it, summary=fresh())
        ),
        "patch": lambda on, at: on.patch(at["conversation"], summary=fresh()),
        "patch user": lambda on, at: on.patch(at["conversation"], user_id=at.user),
        "update_where": lambda on, at: on.update_where({"id": at["headed"]}, summary=fresh()),
        "update_where user": lambda on, at: on.update_where({"id": "none"}, user_id=at.user),
        "enter_state": lambda on, at: on.enter_state(at["conversation"], "start"),
        "touch": lambda on, at: on.touch(at["conversation"]),
        "close_idle": lambda on, at: on.close_idle(LONG_AGO),
        "transition": lambda on, at: on.transition(at["conversation"], "paused"),
    },
    users=frozenset({"create", "create_many", "update", "modify", "enter_state", "transition"})
    | {"patch user", "update_where user"},
    deletions={
        "delete": lambda on, at: on.delete(at["conversation"]),
        "delete_where": lambda on, at: on.delete_where({"id": at["headed"]}),
    },
    reads=READING | {"get_active_for_user", "list_by_tenant"},
)
MESSAGES: Final = Operations(
    MessageRepository,
    {
        "append": lambda on, at: on.append(at["conversation"], [Message.draft("late")]),
        "restore": lambda on, at: on.restore([at["entry"]]),
        "annotate": lambda on, at: on.annotate(
            at["message"], analysis=MessageAnalysis(intent="late")
        ),
    },
    deletions={"redact": lambda on, at: on.redact(at["message"])},
    reads=READING | {"by_intent", "history", "latest", "search", "stream_history"},
)
CONTEXTS: Final = Operations(
    ContextRepository,
    {
        "create": lambda on, at: on.create(_context(at.user)),
        "create_many": lambda on, at: on.create_many([_context(at.user)]),
        "save": lambda on, at: on.save(_context(at.user)),
        "update": lambda on, at: changed(on, at["conversation"], error_count=1),
        "modify": lambda on, at: on.modify(
            at["conversation"], lambda it: attrs.evolve(it, error_count=it.error_count + 1)
        ),
        "patch": lambda on, at: on.patch(at["conversation"], user_id=at.user),
        "update_where": lambda on, at: on.update_where({}, current_state="late"),
        "reset": lambda on, at: on.reset(at["conversation"]),
    },
    users=frozenset({"create", "create_many", "save", "update", "modify", "patch", "reset"}),
    deletions={
        "delete": lambda on, at: on.delete(at["conversation"]),
        "delete_where": lambda on, at: on.delete_where({"id": at["headed"]}),
    },
    reads=READING | {"get"},
)
