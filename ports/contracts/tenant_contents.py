"""A tenant with something of every kind of record, for contracts about archives."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from domain.analytics import AnalyticsEvent
from domain.contexts import ExecutionContext, RecognizedIntent
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.flows import Flow, MetricIncrements
from domain.identity import TenantId
from domain.integrations import CallReport, Integration
from domain.messages import Message
from domain.secrets import Secret
from ports.archives import Archive, Record, RecordKind
from ports.contracts.experiments import running
from ports.contracts.flows import VALID
from ports.contracts.harness import Backend, Group
from ports.errors import UnsupportedOperationError
from ports.stores import TenantScope

Contents = Mapping[RecordKind, list[Record]]
AWKWARD: Final = 'Ü \u202e\' "$a.b" %00 \U0001f600'


def archive_of(backend: Backend, group: Group, instance: int = 0) -> Archive:
    """The archive of an instance's store; nothing is said of one that declares that it has none."""
    maintenance = backend.instances[instance].store(group).maintenance()
    try:
        return maintenance.archive
    except UnsupportedOperationError:
        pytest.skip(f"{backend.name} can't be exported")


async def contents(archive: Archive, tenant: TenantId) -> Contents:
    """All that there is of a tenant."""
    found: dict[RecordKind, list[Record]] = {kind: [] for kind in archive.kinds}
    async for kind, records in archive.read(tenant):
        assert records
        found[kind].extend(records)
    return found


async def put_back(archive: Archive, tenant: TenantId, records: Contents) -> None:
    """Restore all of it, each kind in its turn, in parts."""
    for kind in archive.kinds:
        every = records[kind]
        for start in range(0, len(every), 3):
            part = every[start : start + 3]
            restored = await archive.restore(tenant, kind, part)
            assert (restored.added, dict(restored.refused)) == (len(part), {}), kind


async def fill(backend: Backend, scope: TenantScope, group: Group) -> Contents:
    """Something of every kind that a group keeps; and what its archive then has."""
    await FILLING[group](backend, scope)
    found = await contents(archive_of(backend, group), scope.tenant)
    assert all(found[kind] for kind in found if kind.name != "audit_anchor")
    return found


async def _authored(backend: Backend, scope: TenantScope) -> None:
    flows, clock = scope.flows, backend.clock
    one, two, gone = await flows.create_many(
        [
            Flow.draft(name=AWKWARD, definition=VALID, tags=["b", "a"]),
            Flow.draft(name="two", trigger_conditions={"a.b": [1, 1.0, None], "$": {"": -0.0}}),
            Flow.draft(name="gone"),
        ]
    )
    await flows.publish(one.id, by="ada")
    await flows.set_default(one.id)
    clock.advance(seconds=61)
    await flows.increment_usage(one.id)
    await flows.create_version(one.id, change_description="why", by="ada")
    await flows.create_version(two.id)
    figures = MetricIncrements(
        executions=3, satisfaction_total=2.5, custom_metrics={"b": 1, "a": 2}
    )
    for day in (2, 1):
        await flows.record_metrics(one.id, date(2026, 3, day), figures)
        await flows.record_metrics(one.id, date(2026, 3, day), figures)
    await flows.delete(gone.id)
    experiments = scope.experiments
    made = await running(experiments)
    for unit in ("ada", AWKWARD.replace("\u202e", ""), "zoe"):
        assert await experiments.assign(made.id, unit)
    for value in (0.1, 0.2, 1e15, -3):
        await experiments.record_outcome(made.id, "ada", "spent", value)
    await experiments.record_outcome(made.id, "zoe", "spent", 2.50, key="once")
    integrations = scope.integrations
    secret = Secret({"api_key": "k-123", "n": [1, 1.5]})
    crm = await integrations.create(
        Integration.draft(
            name="crm", type="webhook", endpoint="https://crm.example", config={"z": 1}
        )
    )
    await integrations.set_credentials(crm.id, secret)
    await integrations.create(Integration.draft(name="other", type="custom"))
    for success in (True, False, True):
        report = CallReport(success=success, latency_ms=12, error=None if success else "no")
        await integrations.record_call(crm.id, report)
    while await scope.audit.seal() == 1_000:
        pass
    await flows.patch(two.id, description="not sealed yet")


async def _said(backend: Backend, scope: TenantScope) -> None:
    conversations, messages = scope.conversations, scope.messages
    for number in range(3):
        made = await conversations.create(
            Conversation.draft(
                user_id=f"user {number}", business_context={"a.b": [number, -0.0], "$x": {}}
            )
        )
        drafts = [Message.draft(f"{AWKWARD} {place}") for place in range(number * 2)]
        if drafts:
            stored = await messages.append(made.id, drafts, idempotency_key=f"key {number}")
            await messages.redact(stored[0].id)
    long = await conversations.create(Conversation.draft(id="long", user_id="ada"))
    await messages.append(long.id, [Message.draft(str(number)) for number in range(10)])
    backend.clock.advance(seconds=1)
    await conversations.transition(long.id, "completed")
    intent = RecognizedIntent(intent="order", confidence=0.5, at=backend.clock.kept)
    context = await scope.contexts.save(
        ExecutionContext.draft(long.id, user_id="ada", slots={"b": 1, "a": 1.0})
    )
    await scope.contexts.save(context.understood(intent).entered("next"))
    await scope.contexts.save(ExecutionContext.draft("alone", user_id="nobody"))


async def _measured(backend: Backend, scope: TenantScope) -> None:
    await scope.analytics.record_many(
        [
            AnalyticsEvent.draft(
                "turn",
                id=f"{number}{AWKWARD.replace(chr(0x202E), '')}",
                at=backend.clock.kept - timedelta(hours=number),
                flow_id=uuid4(),
                user_id="ada" if number else None,
                channel="voice",
                dimensions={"$b": AWKWARD, "a.b": ""},
                measures={"ms": number, "score": 1.0, "zero": -0.0},
            )
            for number in range(5)
        ]
    )


async def _lived(backend: Backend, scope: TenantScope) -> None:
    for user in ("ada", "ada", AWKWARD.replace("\u202e", "")):
        issued = await scope.sessions.create(
            user, context={"a.b": [1, 1.0]}, channel="voice", lifetime=timedelta(days=2)
        )
    await scope.sessions.merge(issued.token, preferences={"x": None})
    backend.clock.advance(seconds=1)
    await scope.sessions.get(issued.token)
    for id in ("one", "two", AWKWARD.replace("\u202e", "")):
        await scope.executions.save(
            ExecutionState.draft(id, flow_id=uuid4(), current_state="ask", slots={"a.b": 1.0})
        )
    await scope.executions.enter_state("one", "next")
    await scope.executions.modify("one", lambda state: state.timed("llm", 12.5).took_turn())


FILLING: Final[Mapping[Group, Callable[[Backend, TenantScope], Awaitable[Any]]]] = {
    Group.AUTHORING: _authored,
    Group.DIALOGUE: _said,
    Group.ANALYTICS: _measured,
    Group.RUNTIME: _lived,
}
"""What fills a tenant with something of every kind of a group."""
