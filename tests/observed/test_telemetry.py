"""Spans and metrics, as an SDK of OpenTelemetry gets them."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import SpanKind, StatusCode

import bootstrap.settings
from adapters.local.callbacks import CallbackConsumer
from adapters.observed.operations import Observation, Observer, Place
from adapters.observed.telemetry import Telemetry
from adapters.system import SystemClock
from bootstrap import Settings
from domain.conversations import Channel, Conversation
from domain.executions import ExecutionState
from domain.flows import Flow
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.errors import ConflictError, EntityNotFoundError
from ports.locks import Locks
from tests.bootstrap.running import run
from tests.observed.hearing import Heard, about


@pytest.fixture
def heard() -> Heard:
    """Nothing yet."""
    return Heard()


def test_an_operation_is_a_span_by_the_conventions(heard: Heard) -> None:
    """One, though it is composed of others; no argument and no id is in it."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            flow = await platform.for_tenant("acme").flows.create(Flow.draft(name="secret name"))
            assert str(flow.id) not in str([span.to_json() for span in heard.ended()])

    used()
    (span,) = heard.ended()
    assert (span.name, span.kind) == ("create flows", SpanKind.INTERNAL)
    assert about(span) == {
        "db.system.name": "memory",
        "db.collection.name": "flows",
        "db.operation.name": "create",
        "dialogbase.tenant": "acme",
    }
    assert "secret name" not in span.to_json()


def test_answers_and_trouble_have_their_errors_class(heard: Heard) -> None:
    """Only trouble is an error of the span: that there is no such entity is an answer."""

    @run
    async def failing() -> None:
        async with heard.platform() as platform:
            flows = platform.for_tenant("acme").flows
            with pytest.raises(EntityNotFoundError):
                await flows.require(uuid4())
            made = await flows.create(Flow.draft(name="a"))
            with pytest.raises(ZeroDivisionError):
                await flows.modify(made.id, _broken)

    failing()
    required, _, modified = heard.ended()
    assert about(required)["error.type"] == "EntityNotFoundError"
    assert required.status.status_code is StatusCode.UNSET
    assert about(modified)["error.type"] == "ZeroDivisionError"
    assert modified.status.status_code is StatusCode.ERROR
    assert not any(span.events for span in heard.ended())
    errors = {
        point.attributes["error.type"]: point.value
        for point in heard.points("dialogbase.operation.errors")
    }
    assert errors == {"EntityNotFoundError": 1, "ZeroDivisionError": 1}


@pytest.mark.parametrize(
    ("store", "system"), [("postgres", "postgresql"), ("mongo", "mongodb"), ("redis", "redis")]
)
def test_a_server_s_operations_are_a_client_s(heard: Heard, store: str, system: str) -> None:
    """The server goes by the name that the conventions have for it."""
    telemetry = Telemetry(SystemClock(), tracers=heard.tracers(), meters=MeterProvider())
    place = Place("flows", store, TenantId("acme"))
    Observation(Observer(telemetry=telemetry), place, "get_by_id").ended()
    (span,) = heard.ended()
    assert (span.kind, about(span)["db.system.name"]) == (SpanKind.CLIENT, system)


def test_a_caller_that_leaves_is_not_counted_as_an_error(heard: Heard) -> None:
    """The span says that it left."""

    @run
    async def leaving() -> None:
        async with heard.platform() as platform:
            locks = platform.for_tenant("acme").locks
            async with locks.hold("a"):
                waiting = asyncio.create_task(_held(locks))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    leaving()
    left = next(span for span in heard.ended() if "error.type" in about(span))
    assert (left.name, about(left)["error.type"]) == ("hold locks", "CancelledError")
    assert left.status.status_code is StatusCode.UNSET
    assert heard.points("dialogbase.operation.errors") == []


async def _held(locks: Locks) -> None:
    async with locks.hold("a"):
        raise AssertionError


def _broken(flow: Flow) -> Flow:
    raise ZeroDivisionError


def test_how_long_operations_take_is_a_histogram(heard: Heard) -> None:
    """By port, operation, tenant and kind of error."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            for tenant in ("acme", "acme", "globex"):
                await platform.for_tenant(tenant).sessions.for_user("ada")

    used()
    points = heard.points("db.client.operation.duration")
    assert {point.attributes["dialogbase.tenant"]: point.count for point in points} == {
        "acme": 2,
        "globex": 1,
    }
    assert {point.attributes["db.operation.name"] for point in points} == {"for_user"}


def test_what_happens_in_a_unit_of_work_is_within_its_span(heard: Heard) -> None:
    """And the unit within the service's own."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            with trace.use_span(trace.NonRecordingSpan(PARENT)):
                async with platform.for_tenant("acme").authoring() as work:
                    await work.flows.create(Flow.draft(name="a"))
            assert trace.get_current_span() is trace.INVALID_SPAN

    used()
    created, unit = heard.ended()
    assert (created.name, unit.name) == ("create flows", "unit authoring")
    assert created.parent is not None
    assert unit.context is not None
    assert created.parent.span_id == unit.context.span_id
    assert unit.parent is not None
    assert unit.parent.span_id == PARENT.span_id


PARENT = trace.SpanContext(
    trace_id=1, span_id=2, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED)
)


def test_a_unit_that_does_not_commit_says_why(heard: Heard) -> None:
    """What was raised in it isn't counted twice."""

    @run
    async def failing() -> None:
        async with heard.platform() as platform:
            scope = platform.for_tenant("acme")
            flow = await scope.flows.create(Flow.draft(name="a"))
            with pytest.raises(ConflictError):
                async with scope.authoring() as work:
                    await work.flows.delete(flow.id, expected_revision=7)

    failing()
    unit = heard.ended()[-1]
    assert about(unit)["error.type"] == "ConflictError"
    (errors,) = heard.points("dialogbase.operation.errors")
    assert (errors.value, errors.attributes["db.operation.name"]) == (1, "delete")


def test_a_stream_is_one_span_that_is_not_its_readers(heard: Heard) -> None:
    """To its end; what is done with an item isn't within it."""

    @run
    async def read() -> None:
        async with heard.platform() as platform:
            scope = platform.for_tenant("acme")
            for name in "ab":
                await scope.flows.create(Flow.draft(name=name))
            heard.spans.clear()
            async for _ in scope.flows.stream():
                assert trace.get_current_span() is trace.INVALID_SPAN
                await scope.sessions.for_user("ada")

    read()
    names = [(span.name, span.parent) for span in heard.ended()]
    assert names == [*[("for_user sessions", None)] * 2, ("stream flows", None)]


def test_a_lock_is_taken_and_given_back_in_spans_of_their_own(heard: Heard) -> None:
    """What is done under it is in neither."""

    @run
    async def held() -> None:
        async with heard.platform() as platform:
            scope = platform.for_tenant("acme")
            async with scope.locks.hold("nightly"):
                await scope.flows.count()

    held()
    names = [(span.name, span.parent) for span in heard.ended()]
    assert names == [("hold locks", None), ("count flows", None), ("release locks", None)]


def test_operations_at_the_same_time_are_not_within_each_other(heard: Heard) -> None:
    """Each is where it was begun."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            flows = platform.for_tenant("acme").flows
            await asyncio.gather(*(flows.create(Flow.draft(name=name)) for name in "abc"))

    used()
    assert [span.parent for span in heard.ended()] == [None] * 3


def test_telemetry_takes_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it without is told what to install."""
    monkeypatch.setattr(bootstrap.settings, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.SettingsError, match=r"telemetry.*dialogbase\[observability\]"):
        Settings(profile="memory", telemetry=True)


def test_each_delivery_is_a_span_with_what_was_delivered_and_how_late(heard: Heard) -> None:
    """What the consumer does is within it; a refusal has its error's class."""
    told: list[str] = []

    async def index(events: Sequence[ChangeEvent]) -> None:
        told.append((trace.get_current_span().get_span_context().is_valid and "within") or "")
        if len(told) == 1:
            raise ZeroDivisionError("a secret")

    @run
    async def dispatched() -> None:
        async with heard.platform() as platform:
            dispatcher = platform.dispatcher([CallbackConsumer("search", index)])
            await dispatcher.once()
            for name in "ab":
                await platform.for_tenant("acme").flows.create(Flow.draft(name=name))
            heard.spans.clear()
            await dispatcher.once()

    dispatched()
    refused, delivered = sorted(
        heard.ended(), key=lambda span: "dialogbase.delivered" in about(span)
    )
    assert (refused.name, told) == ("delivery", ["within"] * 2)
    assert about(refused)["error.type"] == "ZeroDivisionError"
    assert "a secret" not in refused.to_json()
    assert about(delivered).items() >= {
        ("dialogbase.consumer", "search"),
        ("dialogbase.tenant", "acme"),
        ("dialogbase.delivered", 1),
    }
    assert about(delivered)["dialogbase.lag"] >= 0
    (count,) = heard.points("dialogbase.delivery.delivered")
    (lag,) = heard.points("dialogbase.delivery.lag")
    assert (count.value, lag.count) == (1, 2)


def test_each_synchronisation_is_a_span(heard: Heard) -> None:
    """If there is anything to be written."""

    @run
    async def synchronised() -> None:
        async with heard.platform(synchronise=True) as platform:
            scope = platform.for_tenant("acme")
            conversation = await scope.conversations.create(
                Conversation.draft(user_id="ada", channel=Channel.WEB)
            )
            await scope.executions.save(ExecutionState.draft(conversation.id))
            heard.spans.clear()
            await platform.synchroniser().once()
            await platform.synchroniser().once()

    synchronised()
    (span,) = heard.ended()
    assert (span.name, about(span)) == ("synchronisation", {"dialogbase.written": 1})
    (written,) = heard.points("dialogbase.synchronisation.written")
    assert written.value == 1
