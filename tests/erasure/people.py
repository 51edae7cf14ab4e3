"""A user who leaves something in every store, and everything by which they are found."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from domain.analytics import AnalyticsEvent
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.experiments import Experiment, Variant
from domain.flow_executions import FlowExecution, Outcome
from domain.flows import Flow
from domain.identity import UserId
from domain.integrations import CallReport, Integration, IntegrationType
from domain.messages import Message
from domain.rates import fixed_window
from ports.errors import EntityNotFoundError
from ports.stores import TenantScope
from ports.together import together

RULE = fixed_window(100, timedelta(days=1))
LEFT = Counter(
    {
        "conversations": 3,
        "messages": 6,
        "contexts": 4,
        "sessions": 2,
        "executions": 3,
        "rate_limits": 1,
        "cached_values": 1,
        "events": 3,
        "experiment_assignments": 1,
        "experiment_outcomes": 1,
        "experiment_outcome_keys": 1,
        "integration_calls": 3,
    }
)
"""What an erasure finds of whoever `live`s once."""


def talk_of(user: str, number: int) -> str:
    """The id of a conversation, which says nothing of the user."""
    return f"talk-{sum(user.encode())}-{number}"


async def furnish(scope: TenantScope) -> None:
    """What a tenant has of its own."""
    await scope.flows.create(Flow.draft(name="welcome"))
    variants = [
        Variant(name="a", weight=10_000, is_control=True),
        Variant(name="b", weight=0),
    ]
    draft = Experiment.draft(name="one", variants=variants, metrics=["bought"])
    await scope.experiments.start((await scope.experiments.create(draft)).id)
    await scope.integrations.create(Integration.draft(name="crm", type=IntegrationType.WEBHOOK))


async def live(scope: TenantScope, user: str, talks: int = 3) -> None:
    """Leave something by every port."""
    integration = (await scope.integrations.scan({"name": "crm"})).items[0]

    async def talk_once(number: int) -> None:
        talk = talk_of(user, number)
        await scope.conversations.create(
            Conversation.draft(id=talk, user_id=user, summary=f"of {user}")
        )
        said = [Message.draft(f"I am {user}", sender=user), Message.draft("Hello")]
        await scope.messages.append(talk, said, idempotency_key=f"{user} {number}")
        await scope.executions.save(ExecutionState.draft(talk, slots={"name": user}))
        await scope.executions.sync_to_context(talk)
        await scope.executions.update_slots(talk, {"again": user})
        report = CallReport(
            success=False,
            latency_ms=1,
            error=f"no {user}",
            conversation_id=talk,
            metadata={user: 1},
        )
        await scope.integrations.record_call(integration.id, report)

    await together([talk_once(number) for number in range(talks)])
    for write in writes(scope, user):
        await write()
    await scope.sessions.create(user, context={"name": user})
    drafts = [AnalyticsEvent.draft("turn", user_id=user, dimensions={"who": user})]
    await scope.analytics.record_many(drafts)
    flow, now = (await scope.flows.scan(limit=1)).items[0], datetime.now(UTC)
    execution = FlowExecution(
        id=f"{talk_of(user, 0)} turn 1",
        flow_id=flow.id,
        started_at=now,
        ended_at=now,
        outcome=Outcome.COMPLETED,
        user_id=UserId(user),
    )
    await scope.analytics.record_executions([execution])
    experiment = await scope.experiments.get_by_name("one")
    assert experiment is not None
    await scope.experiments.record_outcome(experiment.id, user, "bought", key=f"{user} once")


def writes(scope: TenantScope, user: str) -> list[Callable[[], Awaitable[object]]]:
    """What somebody who knows the user's id can write at any time."""

    async def context() -> None:
        await scope.contexts.save(ExecutionContext.draft(f"x{talk_of(user, 0)}", user_id=user))

    async def assigned() -> None:
        experiment = await scope.experiments.get_by_name("one")
        if experiment is None:
            raise EntityNotFoundError("experiment", "one")
        await scope.experiments.assign(experiment.id, user)

    return [
        context,
        assigned,
        lambda: scope.sessions.create(user, preferences={"name": user}),
        lambda: scope.analytics.record(AnalyticsEvent.draft("turn", user_id=user)),
        lambda: scope.rate_limits.acquire(f"user:{user}", RULE),
        lambda: scope.cache.set(f"of {user}", {"name": user}, tags=[f"user:{user}"]),
    ]
