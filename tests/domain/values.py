"""What the domain admits, as hypothesis strategies."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from domain.definitions import (
    Action,
    ActionType,
    FlowDefinition,
    State,
    StateType,
    Transition,
    TransitionCondition,
)
from domain.documents import JsonObject
from domain.flows import Flow, FlowStatus, MetricIncrements

AT = datetime(2026, 3, 29, 0, 59, 59, 123_000, tzinfo=UTC)
INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes(timezones=st.just(UTC))
DAYS = st.dates()


def texts(min_size: int = 0, max_size: int = 50) -> st.SearchStrategy[str]:
    """Text without NUL and lone surrogates."""
    admitted = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.text(admitted, min_size=min_size, max_size=max_size)


JSON_LEAVES = st.none() | st.booleans() | INT64 | FINITE | texts()
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    JSON_LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(), inner, max_size=4),
    max_leaves=12,
)
JSON_DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    texts(), JSON_VALUES, max_size=4
)
JSON_OBJECTS = st.dictionaries(texts(max_size=5), JSON_LEAVES | st.just([{}]), max_size=2).map(
    JsonObject.of
)

STATE_NAMES = st.sampled_from(["start", "ask-2", "end"])
TARGETS = STATE_NAMES | st.just("nowhere")
ACTIONS = st.builds(
    Action,
    type=st.sampled_from(ActionType),
    config=JSON_OBJECTS,
    condition=st.none() | texts(),
    priority=st.integers(0, 1000),
    timeout_ms=st.integers(100, 30_000),
)
FEW_ACTIONS = st.just(()) | st.tuples(ACTIONS)
TRANSITIONS = st.builds(
    Transition,
    target=TARGETS,
    condition=st.sampled_from(TransitionCondition),
    condition_value=st.none() | texts(),
    expression=st.none() | texts(),
    priority=st.integers(0, 1000),
    actions=FEW_ACTIONS,
    metadata=JSON_OBJECTS,
)
FEW_TRANSITIONS = st.lists(TRANSITIONS, max_size=2).map(tuple)
STATES = st.builds(
    State,
    name=STATE_NAMES,
    type=st.sampled_from(StateType),
    description=st.none() | texts(),
    config=JSON_OBJECTS,
    transitions=FEW_TRANSITIONS,
    entry_actions=FEW_ACTIONS,
    exit_actions=FEW_ACTIONS,
    timeout_seconds=st.none() | st.integers(1, 3600),
    is_final=st.booleans(),
    tags=st.lists(texts(1), max_size=2).map(tuple),
)
DEFINITIONS = st.builds(
    FlowDefinition,
    initial_state=st.none() | TARGETS,
    states=st.lists(STATES, max_size=3).map(lambda states: {each.name: each for each in states}),
    global_handlers=FEW_TRANSITIONS,
    variables=JSON_OBJECTS,
    metadata=JSON_OBJECTS,
)
"""Definitions of any shape; many have faults."""


def valid_definition() -> FlowDefinition:
    """A definition that can be published: `start` leads to `end`."""
    start = State(name="start", type=StateType.RESPONSE, transitions=(Transition(target="end"),))
    return FlowDefinition(
        initial_state="start",
        states={"start": start, "end": State(name="end", type=StateType.END, is_final=True)},
    )


UNFINISHED = st.sampled_from(
    [FlowDefinition(), valid_definition(), FlowDefinition.external({"a": [{}]})]
)
PEOPLE = st.none() | st.text("aé@. ", min_size=1, max_size=20)


def _flows(
    status: st.SearchStrategy[FlowStatus],
    definition: st.SearchStrategy[FlowDefinition],
    is_default: st.SearchStrategy[bool],
) -> st.SearchStrategy[Flow]:
    return st.builds(
        Flow,
        id=st.uuids(),
        tenant_id=st.text("aZ09", min_size=1, max_size=64),
        name=texts(1),
        version=texts(1, 20),
        description=st.none() | texts(),
        definition=definition,
        status=status,
        is_default=is_default,
        trigger_conditions=JSON_OBJECTS,
        fallback_flow_id=st.none() | st.uuids(),
        tags=st.lists(texts(1), max_size=3).map(tuple),
        category=st.none() | texts(1),
        usage_count=st.integers(0, 2**63 - 1),
        success_rate=st.none() | st.floats(0, 1),
        avg_completion_time_ms=st.none() | st.floats(0, 1e15),
        last_used_at=st.none() | INSTANTS,
        published_at=st.none() | INSTANTS,
        published_by=PEOPLE,
        created_by=PEOPLE,
        updated_by=PEOPLE,
        created_at=INSTANTS,
        updated_at=INSTANTS,
        revision=st.integers(1, 2**63 - 1),
    )


FLOWS = _flows(
    st.sampled_from([each for each in FlowStatus if each is not FlowStatus.ACTIVE]),
    UNFINISHED,
    st.just(False),
) | _flows(st.just(FlowStatus.ACTIVE), st.just(valid_definition()), st.booleans())
"""Flows with every field drawn; active ones have a valid definition."""

INCREMENTS = st.builds(
    MetricIncrements,
    executions=st.integers(0, 2**52),
    completions=st.integers(0, 2**52),
    errors=st.integers(0, 2**52),
    total_duration_ms=st.integers(0, 2**52),
    satisfaction_total=st.floats(0, 4e14),
    cache_hits=st.integers(0, 2**52),
    custom_metrics=st.dictionaries(texts(1, 5), st.floats(-4e14, 4e14), max_size=3),
)
