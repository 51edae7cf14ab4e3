"""Whoever looks on changes nothing, also by raising: not what an operation does, nor its answer."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest
from dependency_injector import providers
from opentelemetry import trace
from opentelemetry.sdk.metrics import Meter, MeterProvider
from opentelemetry.sdk.metrics._internal.instrument import _Counter, _Histogram
from opentelemetry.sdk.trace import Span, Tracer, TracerProvider

from adapters.local.callbacks import CallbackConsumer
from adapters.observed.telemetry import Telemetry
from adapters.system import SystemClock
from bootstrap import Settings
from bootstrap.container import Container
from bootstrap.platform import opened
from domain.flows import Flow
from domain.outbox import ChangeEvent
from ports.contracts import flows, locks, unit_of_work
from ports.contracts.subjects import FLOWS
from tests.bootstrap.running import run
from tests.contracts.observed_backends import MemoryObservedBackend

RAISING: Sequence[tuple[type[Any], str]] = [
    (Tracer, "start_span"),
    (Span, "set_attribute"),
    (Span, "set_status"),
    (Span, "end"),
    (_Histogram, "record"),
    (_Counter, "add"),
    (Meter, "create_counter"),
]


def _raise(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError


@pytest.fixture(params=RAISING, ids=lambda place: f"{place[0].__name__}.{place[1]}")
def telemetry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Telemetry:
    """By an SDK that raises in one place."""
    made = Telemetry(SystemClock(), tracers=TracerProvider(), meters=MeterProvider())
    kind, name = request.param
    monkeypatch.setattr(kind, name, _raise)
    return made


CONTRACTS: list[tuple[Callable[..., None], dict[str, Any]]] = [
    (flows.test_named_operations_say_if_there_is_no_such_flow, {}),
    (
        unit_of_work.test_an_exception_rolls_everything_back,
        {"subject": FLOWS, "kind": RuntimeError},
    ),
    (locks.test_a_lock_is_held_for_a_block_and_free_after_it, {}),
    (locks.test_an_exception_passes_through_and_releases, {}),
]


@pytest.mark.parametrize(("contract", "arguments"), CONTRACTS)
def test_an_sdk_that_raises_changes_no_operation(
    telemetry: Telemetry, contract: Callable[..., None], arguments: dict[str, Any]
) -> None:
    """What it stands before keeps what its port promises."""
    with MemoryObservedBackend(telemetry) as backend:
        contract(backend=backend, **arguments)


def test_an_sdk_that_raises_changes_no_round(telemetry: Telemetry) -> None:
    """What was delivered isn't delivered again, and a sweep goes on."""
    told: list[str] = []

    async def index(events: Sequence[ChangeEvent]) -> None:
        told.extend(event.action for event in events)

    @run
    async def used() -> None:
        container = Container(settings=Settings(profile="memory", telemetry=True))
        container.telemetry.override(providers.Object(telemetry))
        async with opened(container) as platform:
            dispatcher = platform.dispatcher([CallbackConsumer("search", index)])
            await dispatcher.once()
            flow = await platform.for_tenant("acme").flows.create(Flow.draft(name="a"))
            await platform.for_tenant("acme").flows.delete(flow.id)
            assert [found async for found in platform.for_tenant("acme").flows.stream()] == []
            await dispatcher.once()
            await dispatcher.once()
            assert (await platform.maintenance.sweep()).complete
        assert trace.get_current_span() is trace.INVALID_SPAN

    used()
    assert told == ["created", "deleted"]


def test_a_filter_that_raises_changes_no_operation(caplog: pytest.LogCaptureFixture) -> None:
    """Logging is no part of what is logged."""
    logger = logging.getLogger("dialogbase.operations")
    logger.addFilter(_raise)
    try:
        with caplog.at_level(logging.INFO, "dialogbase"), MemoryObservedBackend() as backend:
            flows.test_named_operations_say_if_there_is_no_such_flow(backend=backend)
    finally:
        logger.removeFilter(_raise)
