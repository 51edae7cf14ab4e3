"""Rows of operations that are observed, against the same ones that aren't: what looking on costs.

A read by id in memory takes about a microsecond, so that the ratios are large and the differences
small: of what a server takes to answer, they are some per cent.
"""

from typing import Final

from adapters.memory import MemoryAuthoringStore
from adapters.observed.operations import Observer
from adapters.observed.scope import ObservedScope
from adapters.observed.telemetry import Telemetry
from adapters.system import SystemClock
from benchmarks.content import drafts
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns, shared_out
from benchmarks.scale import Scale
from domain.flows import Flow
from domain.identity import tenant_id
from ports.flows import FlowRepository
from ports.stores import TenantScope

_TENANT: Final = tenant_id("bench")
_PLAIN: Final = "plain"
_AGAIN: Final = "plain again"
_FLOWS: Final = 100


async def rows(scale: Scale) -> list[Figure]:
    """Reads by id: with logs, with spans and metrics that nobody collects, and with an SDK's."""
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import NoOpTracerProvider

    store, clock = MemoryAuthoringStore(), SystemClock()
    plain = TenantScope(_TENANT, store).flows
    stored = await plain.create_many(drafts(_FLOWS))
    unheard = Telemetry(clock, tracers=NoOpTracerProvider(), meters=NoOpMeterProvider())
    heard = Telemetry(
        clock, tracers=TracerProvider(), meters=MeterProvider([InMemoryMetricReader()])
    )
    observers = {
        "logs": Observer(log_failures=True, slow=60.0),
        "telemetry without an SDK": Observer(telemetry=unheard),
        "telemetry with an SDK": Observer(telemetry=heard),
    }
    observed = {
        name: ObservedScope(_TENANT, store, observer=observer).flows
        for name, observer in observers.items()
    }
    count = scale.operations(200)

    def reads(name: str, flows: FlowRepository) -> Contender:
        async def get(flow: Flow) -> object:
            return await flows.get_by_id(flow.id)

        turns = [stored[number % _FLOWS] for number in range(count)]
        return shared_out(name, get, prepare=lambda: turns, operations=count)

    everyone = {_PLAIN: plain, _AGAIN: plain, **observed}
    rounds = await in_turns([reads(*each) for each in everyone.items()], scale.few)
    return [
        Figure.of(rounds, name=f"observed: get, {name}", of=name, to=_PLAIN, noise=(_AGAIN, _PLAIN))
        for name in observers
    ]
