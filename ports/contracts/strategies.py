"""Values at their nastiest: everything that the domain admits, and most often what trips stores.

All of these are hypothesis strategies. Short texts come from a small alphabet, so that criteria,
searches and unique keys meet each other.
"""

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
from domain.flows import MetricIncrements
from domain.secrets import Secret

CLASHING = "aAbB%_\\'\".$-ßſﬁİıΣσςé́ \nＡ😀"
"""Few letters, alike when folded or composed, with every sign that some store takes for its own."""

HOSTILE = (
    "%_\\'\";--",
    "'; DROP TABLE flows; --",
    "$where",
    "$$",
    "a.b.c",
    "\\x00",
    "\x01\x1f\x7f\x80",
    "\ufeff\u200b\u202e\u2066abc",
    "e\u0301 é",
    "ﬁ ﬃ ß ẞ İ ı ſ",
    "𝕳𝖊𝖑𝖑𝖔 😀👩\u200d👩\u200d👧",
    "Ａｂｃ",
    "null",
    "None",
    "{}",
    "\ufffe\uffff\U0010ffff",
    "\r\n\t\v\f\u2028\u2029",
    "  leading and trailing  ",
    "\u1e9b\u0323",
    "Ǆǅǆ",
    "ΑΣ ας ασ",
)

_WILD = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
_PRINTED = st.characters(exclude_categories=["Cs", "Cc"])


def text(max_length: int, min_length: int = 0) -> SearchStrategy[str]:
    """Any text of a field with these limits."""
    fitting = [sample for sample in HOSTILE if min_length <= len(sample) <= max_length]
    return st.one_of(
        st.text(CLASHING, min_size=min_length, max_size=min(max_length, 4)),
        st.sampled_from(fitting),
        st.text(_WILD, min_size=min_length, max_size=min(max_length, 12)),
        st.sampled_from("a%😀\u0301").map(lambda sign: sign * max_length),
    )


def identifiers(max_length: int) -> SearchStrategy[str]:
    """Text without control characters."""
    return st.one_of(
        st.text(_PRINTED, min_size=1, max_size=min(max_length, 10)),
        st.sampled_from(["ada", "$where", "a:b", "%", "'", ".", "/", "!", '"', "é", "e\u0301"]),
        st.just("😀" * max_length),
    )


INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 3, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 3.0, 5e-324, 1e308, -1e308, 0.1, 1e16, 2.0**53, 1e-7]),
    st.floats(allow_nan=False, allow_infinity=False),
)
INSTANTS = st.one_of(
    st.sampled_from(
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 12, 0, 0, 1_000, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
    ),
    st.datetimes(timezones=st.just(UTC)),
)
DATES = st.one_of(st.sampled_from([date.min, date(2024, 2, 29), date.max]), st.dates())
KEYS = st.one_of(
    st.sampled_from(["", "$", "$set", "a.b", ".", "a", "A", "__proto__", "0", " ", "'", "é"]),
    st.text(_WILD, max_size=6),
)
TAGS = st.lists(
    st.one_of(st.sampled_from(["a", "A", "b", "%", ",", "{", '"', "vip"]), text(50, 1)), max_size=4
).map(tuple)
"""Tags with their order and their repetitions."""

_LEAVES = st.one_of(
    st.none(), st.booleans(), INTEGERS, FLOATS, st.sampled_from(HOSTILE), st.text(_WILD, max_size=8)
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


def _nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"": document}
    return document


def json_objects() -> SearchStrategy[JsonObject]:
    """Any JSON object, odd in keys, numbers and depth."""
    return st.one_of(
        st.dictionaries(KEYS, _JSON, max_size=4),
        st.just(_nested(32)),
        st.sampled_from([{"n": 3}, {"n": 3.0}, {"n": -0.0}, {"$where": "1"}, {"a": [[], {}]}]),
    ).map(JsonObject.of)


def secrets() -> SearchStrategy[Secret]:
    """Secrets of any content."""
    return json_objects().map(Secret)


_STATE_NAMES = st.sampled_from(["start", "ask", "A", "a-1", "z_" + "y" * 98])
ACTIONS = st.builds(
    Action,
    type=st.sampled_from(ActionType),
    config=json_objects(),
    condition=st.none() | text(4_000),
    priority=st.integers(0, 1000),
    timeout_ms=st.integers(100, 30_000),
)
_FEW_ACTIONS = st.lists(ACTIONS, max_size=1).map(tuple)
TRANSITIONS = st.builds(
    Transition,
    target=_STATE_NAMES,
    condition=st.sampled_from(TransitionCondition),
    condition_value=st.none() | text(1_000),
    expression=st.none() | text(4_000),
    priority=st.integers(0, 1000),
    actions=_FEW_ACTIONS,
    metadata=json_objects(),
)


def states(name: str) -> SearchStrategy[State]:
    """Any state of that name."""
    return st.builds(
        State,
        name=st.just(name),
        type=st.sampled_from(StateType),
        description=st.none() | text(2_000),
        config=json_objects(),
        transitions=st.lists(TRANSITIONS, max_size=2).map(tuple),
        entry_actions=_FEW_ACTIONS,
        exit_actions=_FEW_ACTIONS,
        timeout_seconds=st.none() | st.integers(1, 3600),
        is_final=st.booleans(),
        tags=TAGS,
    )


def definitions() -> SearchStrategy[FlowDefinition]:
    """Any definition, most of them unfit to be published."""
    named = st.lists(_STATE_NAMES, max_size=2, unique=True).flatmap(
        lambda names: st.tuples(*map(states, names))
    )
    return st.one_of(
        st.just(FlowDefinition()),
        st.builds(
            FlowDefinition,
            initial_state=st.none() | _STATE_NAMES,
            states=named,
            global_handlers=st.lists(TRANSITIONS, max_size=1).map(tuple),
            variables=json_objects(),
            metadata=json_objects(),
        ),
    )


def valid_definitions() -> SearchStrategy[FlowDefinition]:
    """Definitions that can be published."""
    return st.builds(FlowDefinition.external, json_objects(), json_objects())


def increments() -> SearchStrategy[MetricIncrements]:
    """Figures of a day; sums of thousands of these stay within their bounds."""
    counts = st.sampled_from([0, 1, 2, 2**31, 2**40])
    return st.builds(
        MetricIncrements,
        executions=counts,
        completions=counts,
        errors=counts,
        total_duration_ms=counts,
        satisfaction_total=st.sampled_from([0.0, 0.5, 0.25, 4.0]),
        satisfaction_count=counts,
        cache_hits=counts,
        # Quarters are summed exactly, in whatever order.
        custom_metrics=st.dictionaries(
            st.sampled_from(["a", "a.b", "$inc", "'", "é", "n" * 100]),
            st.sampled_from([0.25, -0.25, 1.0, -3.0, 1e9]),
            max_size=3,
        ),
    )
