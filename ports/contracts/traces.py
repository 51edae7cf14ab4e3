"""What each group of data can hold of a user: written by each port, looked for by each read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from domain.analytics import AnalyticsEvent
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.experiments import Experiment, Variant
from domain.flow_executions import FlowExecution, Outcome
from domain.identity import TenantId, UserId
from domain.integrations import CallReport, Integration, IntegrationType
from domain.messages import Message, MessageAnalysis
from domain.metric_queries import MetricQuery
from domain.rates import fixed_window
from ports.cache import MISS
from ports.contracts.groups import Group
from ports.stores import TenantScope

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Traces(ABC):
    """Of one group."""

    group: ClassVar[Group]

    @abstractmethod
    async def leave(self, scope: TenantScope, user: str) -> Mapping[str, int]:
        """Write something of the user by every port; how many of what an erasure then finds."""

    @abstractmethod
    async def seen(self, scope: TenantScope, user: str) -> Sequence[str]:
        """The reads by which something of the user shows; all of them, once it was left."""

    async def erase(self, maintenance: Any, tenant: TenantId, user: str) -> Mapping[str, int]:
        """What is called to erase the user."""
        gone: Mapping[str, int] = await maintenance.erase_user(tenant, UserId(user))
        return gone


def talk_of(user: str) -> str:
    """The id of the user's conversation."""
    return f"talk {user}"[:128]


def alone_of(user: str) -> str:
    """The id of the user's context that has no conversation."""
    return f"+{talk_of(user)}"[:128]


class Talks(Traces):
    """Conversations, their messages and contexts, and a context that has no conversation."""

    group = Group.DIALOGUE

    async def leave(self, scope: TenantScope, user: str) -> Mapping[str, int]:
        talk = talk_of(user)
        await scope.conversations.create(
            Conversation.draft(id=talk, user_id=user, summary=f"summary{len(user)}")
        )
        await scope.messages.append(talk, [_hello(), _hello()], idempotency_key="one")
        await scope.contexts.save(ExecutionContext.draft(talk, user_id=user, slots={"name": user}))
        alone = ExecutionContext.draft(alone_of(user), user_id=user)
        await scope.contexts.save(alone)
        return {"conversations": 1, "messages": 2, "contexts": 2}

    async def seen(self, scope: TenantScope, user: str) -> Sequence[str]:
        talk, talks, messages = talk_of(user), scope.conversations, scope.messages
        found = {
            "the conversation": await talks.get_by_id(talk),
            "active": await talks.get_active_for_user(user),
            "listed": (await talks.list_by_tenant(user_id=user)).items,
            "searched": [
                each.id
                for each in (await talks.list_by_tenant(text=f"summary{len(user)}")).items
                if each.user_id == user
            ],
            "counted": await talks.count({"user_id": user}),
            "history": (await messages.history(talk)).items,
            "the latest": await messages.latest(talk),
            "said": [
                each
                for each in (await messages.search("hello")).items
                if each.conversation_id == talk
            ],
            "meant": [
                each
                for each in (await messages.by_intent("greet")).items
                if each.conversation_id == talk
            ],
            "the context": await scope.contexts.get(talk),
            "contexts": await scope.contexts.count({"user_id": user}),
        }
        return [read for read, shown in found.items() if shown]


def _hello() -> Any:
    return Message.draft("hello there", analysis=MessageAnalysis(intent="greet", confidence=1.0))


class Living(Traces):
    """Sessions, execution states, limits and what is cached."""

    group = Group.RUNTIME
    rule = fixed_window(5, HOUR)

    async def leave(self, scope: TenantScope, user: str) -> Mapping[str, int]:
        for _ in range(2):
            await scope.sessions.create(user)
        await scope.executions.save(ExecutionState.draft(talk_of(user), slots={"name": user}))
        await scope.rate_limits.acquire(f"user:{user}", self.rule)
        await scope.rate_limits.acquire(f"user:{user}", fixed_window(7, HOUR))
        await scope.cache.set(f"profile of {user}", {"name": user}, tags=[f"user:{user}"])
        return {"sessions": 2, "executions": 1, "rate_limits": 2, "cached_values": 1}

    async def seen(self, scope: TenantScope, user: str) -> Sequence[str]:
        found = {
            "sessions": await scope.sessions.for_user(user),
            "state": await scope.executions.get(talk_of(user)),
            "limit": (await scope.rate_limits.peek(f"user:{user}", self.rule)).count,
            "cached": await scope.cache.get(f"profile of {user}") is not MISS,
        }
        return [read for read, shown in found.items() if shown]

    async def erase(self, maintenance: Any, tenant: TenantId, user: str) -> Mapping[str, int]:
        states = await maintenance.erase_conversations(tenant, UserId(user), [talk_of(user)])
        return {**states, **await super().erase(maintenance, tenant, user)}


class Counted(Traces):
    """Analytics events."""

    group = Group.ANALYTICS

    async def leave(self, scope: TenantScope, user: str) -> Mapping[str, int]:
        await scope.analytics.record_many(
            AnalyticsEvent.draft("turn", id=f"{user[:100]} {n}", at=START, user_id=user)
            for n in range(3)
        )
        execution = FlowExecution(
            id=f"{user[:100]} 4",
            flow_id=UUID(int=7),
            started_at=START,
            ended_at=START,
            outcome=Outcome.COMPLETED,
            user_id=UserId(user),
        )
        await scope.analytics.record_executions([execution])
        return {"events": 4}

    async def seen(self, scope: TenantScope, user: str) -> Sequence[str]:
        query = MetricQuery.over(START, START + DAY, where={"user_id": [user]})
        found = {
            "the event": await scope.analytics.get_by_id(f"{user[:100]} 1"),
            "figures": sum(
                point.count
                for series in (await scope.analytics.query(query)).series
                for point in series.points
            ),
        }
        return [read for read, shown in found.items() if shown]


class Measured(Traces):
    """Units of experiments, and calls that were made in a conversation."""

    group = Group.AUTHORING

    async def leave(self, scope: TenantScope, user: str) -> Mapping[str, int]:
        experiment, integration = await _experiment(scope), await _integration(scope)
        assert await scope.experiments.assign(experiment.id, user)
        for key in (None, f"{user[:100]} 1", f"{user[:100]} 2"):
            await scope.experiments.record_outcome(experiment.id, user, "bought", key=key)
        await scope.experiments.record_outcome(experiment.id, user, "spent", 2.5)
        report = CallReport(
            success=False,
            latency_ms=3,
            error=f"no {user}",
            conversation_id=talk_of(user),
            metadata={"who": user},
        )
        await scope.integrations.record_call(integration.id, report)
        return {
            "experiment_assignments": 1,
            "experiment_outcomes": 2,
            "experiment_outcome_keys": 2,
            "integration_calls": 1,
        }

    async def seen(self, scope: TenantScope, user: str) -> Sequence[str]:
        experiment, integration = await _experiment(scope), await _integration(scope)
        units = (await scope.experiments.assignments(experiment.id, limit=1_000)).items
        calls = (await scope.integrations.calls(integration.id, limit=1_000)).items
        found = {
            "assignment": await scope.experiments.assignment_of(experiment.id, user),
            "assignments": user in [each.unit for each in units],
            "call": talk_of(user) in [each.conversation_id for each in calls],
            "said of it": f"no {user}" in [each.error for each in calls],
            "kept with it": {"who": user} in [each.metadata for each in calls],
        }
        return [read for read, shown in found.items() if shown]

    async def erase(self, maintenance: Any, tenant: TenantId, user: str) -> Mapping[str, int]:
        calls = await maintenance.erase_conversations(tenant, UserId(user), [talk_of(user)])
        return {**calls, **await super().erase(maintenance, tenant, user)}


async def _experiment(scope: TenantScope) -> Experiment:
    """The tenant's one, in which everybody gets the control."""
    known = await scope.experiments.get_by_name("one")
    if known is not None:
        return known
    variants = [
        Variant(name="control", weight=10_000, is_control=True),
        Variant(name="other", weight=0),
    ]
    draft = Experiment.draft(name="one", variants=variants, metrics=["bought", "spent"])
    return await scope.experiments.start((await scope.experiments.create(draft)).id)


async def _integration(scope: TenantScope) -> Integration:
    known = (await scope.integrations.scan({"name": "one"}, limit=1)).items
    if known:
        return known[0]
    draft = Integration.draft(name="one", type=IntegrationType.WEBHOOK)
    return await scope.integrations.create(draft)


TRACES: Final[Mapping[Group, Traces]] = {
    each.group: each for each in (Talks(), Living(), Counted(), Measured())
}
