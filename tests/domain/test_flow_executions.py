"""Executions of flows: what is said of one, and what it adds to its flow's figures."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from domain.errors import ValidationError
from domain.flow_executions import EXECUTION, FlowExecution, Outcome
from domain.flows import MetricIncrements
from domain.identity import TenantId

ENDED = datetime(2026, 3, 1, 23, 59, 59, 999_000, tzinfo=UTC)
FLOW = uuid4()


def execution(**fields: Any) -> FlowExecution:
    """One that took two seconds."""
    given: dict[str, Any] = {
        "id": "talk 7",
        "flow_id": FLOW,
        "started_at": ENDED - timedelta(seconds=2),
        "ended_at": ENDED,
        "outcome": "completed",
        **fields,
    }
    return FlowExecution(**given)


def test_it_adds_its_outcome_and_what_was_measured() -> None:
    """And its duration only if it was completed."""
    full = execution(
        response_time_ms=300, responses=2, satisfaction=4, cache_hits=1, cache_lookups=3
    )
    assert full.increments == MetricIncrements(
        executions=1,
        completions=1,
        total_duration_ms=2_000,
        response_time_total_ms=300,
        response_time_count=2,
        satisfaction_total=4.0,
        satisfaction_count=1,
        cache_hits=1,
        cache_lookups=3,
    )
    others = {Outcome.ERROR: "errors", Outcome.ABANDONED: "abandonments"}
    for outcome, name in {**others, Outcome.ESCALATED: "escalations"}.items():
        counts: dict[str, Any] = {"executions": 1, name: 1}
        assert execution(outcome=outcome).increments == MetricIncrements(**counts)


def test_it_counts_in_the_day_on_which_it_ended_in_utc() -> None:
    """Whatever the clocks showed where it did."""
    assert execution().day == date(2026, 3, 1)
    later = ENDED + timedelta(milliseconds=1)
    vienna = later.astimezone(datetime.fromisoformat("2026-03-02T00:00+01:00").tzinfo)
    assert execution(ended_at=vienna).day == date(2026, 3, 2)


def test_an_event_says_the_same() -> None:
    """To the letter, and under the execution's own id."""
    full = execution(
        conversation_id="talk",
        user_id="ada",
        channel="web",
        satisfaction=0.5,
        responses=1,
        response_time_ms=7,
        dimensions={"country": "at", "a.b": "$x"},
    )
    for one in (full, execution(outcome="error", started_at=ENDED)):
        draft = one.draft()
        assert (draft.has_id, draft.has_time) == (True, True)
        event = draft.placed(at=ENDED, new_id=None, tenant_id=TenantId("acme"))
        assert (event.type, event.id, event.at) == (EXECUTION, "talk 7", ENDED)
        assert FlowExecution.of(event) == one


def test_response_times_may_be_given_one_by_one() -> None:
    """What is kept is their sum and their number."""
    given: dict[str, Any] = {**vars(execution())}
    for name in ("response_time_ms", "responses"):
        del given[name]
    one = FlowExecution.ended(response_times_ms=[100, 250], **given)
    assert (one.response_time_ms, one.responses) == (350, 2)
    wrong: tuple[Any, ...] = ([-1], [1.5], None, 5, b"12", {1: 2}, count())
    for times in wrong:
        with pytest.raises(ValidationError, match="response_times_ms"):
            FlowExecution.ended(response_times_ms=times, **given)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"flow_id": None},
        {"outcome": "given up"},
        {"started_at": ENDED + timedelta(milliseconds=1)},
        {"started_at": ENDED - timedelta(days=367)},
        {"ended_at": datetime(2026, 3, 1)},  # noqa: DTZ001  # that is what is wrong
        {"responses": -1},
        {"satisfaction": -0.5},
        {"cache_hits": 1},
        {"dimensions": {"outcome": "error"}},
        {"dimensions": {f"d{n}": "x" for n in range(20)}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_can_not_be_is_refused(fields: dict[str, Any]) -> None:
    """By the field's own name."""
    with pytest.raises(ValidationError) as told:
        execution(**fields)
    assert told.value.faults[0].path
