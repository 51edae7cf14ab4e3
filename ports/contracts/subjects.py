"""Which entities the contracts of every repository are run on, and what is special about each.

A new aggregate is one more `Subject` here; what only it does has a module of contracts beside.
"""

from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from domain.contexts import ExecutionContext, RecognizedIntent
from domain.conversations import OPEN_STATUSES, Conversation, ConversationStatus, StateVisit
from domain.definitions import FlowDefinition
from domain.execution_marks import ExecutionMark
from domain.experiments import Experiment, Variant
from domain.flows import Flow, FlowStatus
from domain.identity import Draft
from domain.integrations import CallReport, Integration, IntegrationType, RetryPolicy
from domain.secrets import Secret
from ports.contexts import CONTEXT_SCHEMA
from ports.contracts.context_model import CONTEXT_COURSE
from ports.contracts.conversation_model import CONVERSATION_COURSE
from ports.contracts.entities import Entity as Entity
from ports.contracts.experiment_model import EXPERIMENT_COURSE
from ports.contracts.flow_model import FLOW_COURSE
from ports.contracts.groups import Group
from ports.contracts.integration_model import INTEGRATION_COURSE
from ports.contracts.strategies import (
    INSTANTS,
    definitions,
    identifiers,
    json_objects,
    secrets,
    text,
    valid_definitions,
)
from ports.contracts.subject import Subject as Subject
from ports.conversations import CONVERSATION_SCHEMA, ConversationRepository
from ports.experiments import EXPERIMENT_SCHEMA
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.integrations import INTEGRATION_SCHEMA, IntegrationRepository
from ports.repository import Repository


def _flow_draft(label: str = "one", *, id: UUID | None = None) -> Draft[Flow]:
    return Flow.draft(name=label, definition=FlowDefinition.external({"label": label}), id=id)


async def _use_flow(repository: Repository[Entity], id: UUID) -> None:
    assert isinstance(repository, FlowRepository)
    await repository.increment_usage(id, 3)


_RATES = st.none() | st.sampled_from([0.0, -0.0, 1.0, 5e-324, 0.1 + 0.2]) | st.floats(0, 1)
_DURATIONS = st.none() | st.sampled_from([0.0, 1e15, 5e-324, 1 / 3]) | st.floats(0, 1e15)

FLOWS = Subject(
    group=Group.AUTHORING,
    schema=FLOW_SCHEMA,
    of=lambda holder: holder.flows,
    draft=_flow_draft,
    note="description",
    remark="category",
    document="trigger_conditions",
    ranked=("category", ("B", "a", "b", "é")),
    use=_use_flow,
    own={
        "name": text(255, 1),
        "version": text(50, 1),
        "description": st.none() | text(10_000),
        "definition": definitions(),
        "category": st.none() | text(100, 1),
        "success_rate": _RATES,
        "avg_completion_time_ms": _DURATIONS,
    },
    course=FLOW_COURSE,
    variants=[
        {
            "status": st.just(status),
            "is_default": st.booleans() if status is FlowStatus.ACTIVE else st.just(False),
            "definition": valid_definitions() if status is FlowStatus.ACTIVE else definitions(),
        }
        for status in FlowStatus
    ],
)


_SPLIT = (
    Variant(name="control", weight=5_000, is_control=True),
    Variant(name="other", weight=5_000),
)


def _experiment_draft(label: str = "one", *, id: UUID | None = None) -> Draft[Experiment]:
    return Experiment.draft(name=label, variants=_SPLIT, metadata={"label": label}, id=id)


async def _use_experiment(repository: Repository[Entity], id: UUID) -> None:
    await repository.patch(id, hypothesis="used")


def _variants(weights: list[int]) -> st.SearchStrategy[tuple[Variant, ...]]:
    return st.lists(text(100, 1), min_size=3, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(
            *(
                st.builds(
                    Variant,
                    name=st.just(name),
                    weight=st.just(weight),
                    flow_version=st.none() | text(50, 1),
                    modifications=st.sampled_from([{}, {"n": 3.0, "$a.b": [None, {}]}]),
                    is_control=st.just(place == 1),
                )
                for place, (name, weight) in enumerate(zip(names, weights, strict=True))
            )
        )
    )


EXPERIMENTS = Subject(
    group=Group.AUTHORING,
    schema=EXPERIMENT_SCHEMA,
    of=lambda holder: holder.experiments,
    draft=_experiment_draft,
    note="description",
    remark="name",
    document="metadata",
    ranked=("starts_at", tuple(datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4))),
    use=_use_experiment,
    own={
        "name": text(255, 1),
        "description": st.none() | text(10_000),
        "hypothesis": st.none() | text(10_000),
        "variants": st.sampled_from([[0, 10_000, 0], [1, 9_998, 1], [3_333, 3_333, 3_334]]).flatmap(
            _variants
        ),
        "metrics": st.lists(identifiers(100), max_size=3, unique=True).map(tuple),
        "salt": text(100),
        "traffic_share": st.sampled_from([0.0, -0.0, 1.0, 5e-324, 0.1 + 0.2]) | st.floats(0, 1),
    },
    course=EXPERIMENT_COURSE,
)


def _conversation_draft(label: str = "one", *, id: str | None = None) -> Draft[Conversation]:
    return Conversation.draft(user_id=label, business_context={"label": label}, id=id)


async def _use_conversation(repository: Repository[Entity], id: str) -> None:
    assert isinstance(repository, ConversationRepository)
    await repository.touch(id, at=datetime(2999, 1, 1, tzinfo=UTC))


_STATES = text(255, 1)
_VISITS = st.lists(st.builds(StateVisit, state=_STATES, at=INSTANTS), max_size=3).map(tuple)
_INTENTS = st.builds(
    RecognizedIntent,
    intent=text(200, 1),
    confidence=st.none() | st.sampled_from([0.0, -0.0, 1.0, 5e-324]) | st.floats(0, 1),
    at=INSTANTS,
)
_VARIANTS: dict[str, Any] = {"experiment_id": st.uuids(), "variant": text(100, 1)}

CONVERSATIONS = Subject(
    group=Group.DIALOGUE,
    schema=CONVERSATION_SCHEMA,
    of=lambda holder: holder.conversations,
    draft=_conversation_draft,
    note="summary",
    remark="flow_version",
    document="business_context",
    ranked=("flow_version", ("B", "a", "b", "é")),
    use=_use_conversation,
    own={
        "session_id": st.none() | identifiers(128),
        "status_reason": st.none() | text(500),
        "flow_version": st.none() | text(50, 1),
        "current_state": st.none() | _STATES,
        "state_history": _VISITS,
        "variant": st.none(),
        "summary": st.none() | text(4_000),
    },
    course=CONVERSATION_COURSE,
    variants=[
        {**experiment, "status": st.sampled_from(statuses), "completed_at": completed}
        for experiment in ({}, _VARIANTS)
        for statuses, completed in (
            (OPEN_STATUSES, st.none()),
            ([status for status in ConversationStatus if status.is_closed], st.none() | INSTANTS),
        )
    ],
)

_MARKS = st.builds(
    ExecutionMark,
    life=st.sampled_from([0, 2**41, 2**53]),
    revision=st.sampled_from([1, 2**53 - 1]),
    claimed=st.sampled_from([0, 2**32 + 1]),
    ended=st.booleans(),
    began_at=INSTANTS,
    written_at=INSTANTS,
    expires_at=INSTANTS,
    flow_version=st.none() | text(50),
    intent_stack=st.lists(text(200, 1), max_size=2).map(tuple),
    turn_count=st.sampled_from([0, 2**63 - 1]),
    retry_count=st.sampled_from([0, 3]),
    timings=json_objects(),
    fence=st.none() | st.sampled_from([0, 2**53 - 1]),
    fenced_until=st.none() | INSTANTS,
)

_context_numbers = count(1)


def _context_draft(label: str = "one", *, id: str | None = None) -> Draft[ExecutionContext]:
    named = f"conversation {next(_context_numbers):09}" if id is None else id
    return ExecutionContext.draft(named, user_id=label, variables={"label": label})


async def _use_context(repository: Repository[Entity], id: str) -> None:
    await repository.patch(id, error_count=3)


CONTEXTS = Subject(
    group=Group.DIALOGUE,
    schema=CONTEXT_SCHEMA,
    of=lambda holder: holder.contexts,
    draft=_context_draft,
    note="reset_reason",
    remark="current_state",
    document="integration_results",
    ranked=("current_state", ("B", "a", "b", "é")),
    use=_use_context,
    own={
        "current_state": st.none() | _STATES,
        "previous_states": st.lists(_STATES, max_size=3).map(tuple),
        "intent_history": st.lists(_INTENTS, max_size=3).map(tuple),
        "reset_reason": st.none() | text(500),
        "execution": st.none() | _MARKS,
    },
    course=CONTEXT_COURSE,
    mints=False,
)


def _integration_draft(label: str = "one", *, id: UUID | None = None) -> Draft[Integration]:
    return Integration.draft(
        name=label,
        type=IntegrationType.REST_API,
        credentials=Secret({"api_key": f"key of {label}"}),
        config={"label": label},
        id=id,
    )


async def _use_integration(repository: Repository[Entity], id: UUID) -> None:
    assert isinstance(repository, IntegrationRepository)
    await repository.record_call(id, CallReport(success=True, latency_ms=3))


_RETRIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 20),
    multiplier=st.sampled_from([1.0, 1.5, 1 / 3 + 1, 100.0]),
    max_delay_ms=st.sampled_from([0, 3_600_000]),
)

INTEGRATIONS = Subject(
    group=Group.AUTHORING,
    schema=INTEGRATION_SCHEMA,
    of=lambda holder: holder.integrations,
    draft=_integration_draft,
    note="description",
    remark="endpoint",
    document="config",
    ranked=("endpoint", ("B", "a", "b", "é")),
    use=_use_integration,
    own={
        "name": text(255, 1),
        "description": st.none() | text(10_000),
        "endpoint": st.none() | text(2_048, 1),
        "credentials": st.none() | secrets(),
        "timeout_ms": st.sampled_from([1, 250, 3_600_000]),
        "retry_policy": _RETRIES,
        "last_error": st.none() | text(500),
    },
    course=INTEGRATION_COURSE,
)

SUBJECTS = (FLOWS, EXPERIMENTS, INTEGRATIONS, CONVERSATIONS, CONTEXTS)
