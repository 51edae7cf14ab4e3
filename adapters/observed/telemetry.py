"""OpenTelemetry: spans and metrics, named by its semantic conventions for database clients.

Only its API is used; which spans are kept, and where they and the metrics go, is for the SDK that
the service brings. Without one, nothing is kept. No argument, id, result or error's text is told.

Spans: `get_by_id flows`, of each operation of a port; `unit authoring`, of a unit of work, within
which its operations are; `delivery`, `synchronisation`, `projection`, `sweep` and the like, of
rounds in the background that had something to do.

Metrics: `db.client.operation.duration`, `dialogbase.operation.errors`; and of each kind of round,
`dialogbase.<round>.duration`, `dialogbase.<round>.lag` (seconds that the oldest had waited), and a
counter for each thing that is counted. All have the tenant as an attribute, `dialogbase.tenant`: a
service with more tenants than its metrics' store likes drops it by a view of the SDK.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Final

from opentelemetry.context import attach, detach
from opentelemetry.metrics import Counter, Histogram, MeterProvider, get_meter
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    get_tracer,
    set_span_in_context,
)

from adapters.observed.operations import Place, has_left, is_trouble
from ports.observation import Round, Rounds
from ports.time import Clock

_SYSTEMS: Final = {"postgres": "postgresql", "mongo": "mongodb", "redis": "redis"}
_TENANT: Final = "dialogbase.tenant"
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_WAITS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600)


class Traced:
    """The span of one operation, and its share in the metrics."""

    __slots__ = ("_about", "_of", "_span", "_token")

    def __init__(self, of: "Telemetry", span: Span, about: dict[str, str]) -> None:
        self._of = of
        self._span = span
        self._about = about
        self.enter()

    def enter(self) -> None:
        """What is begun from now on is within it."""
        self._token = attach(set_span_in_context(self._span))

    def leave(self) -> None:
        """No more of it."""
        detach(self._token)

    def over(self, seconds: float, error: BaseException | None, own: bool) -> None:
        """It took so long; `own`: the error is its own."""
        about = self._about
        if error is not None:
            about = {**about, "error.type": type(error).__name__}
            self._span.set_attribute("error.type", about["error.type"])
            if is_trouble(error):
                self._span.set_status(StatusCode.ERROR)
            if own and not has_left(error):
                self._of.errors.add(1, about)
        self._of.durations.record(seconds, about)
        self._span.end()


class Telemetry(Rounds):
    """What operations and rounds are told to. `clock`: by which it is told how long something has
    waited; the providers are OpenTelemetry's global ones unless they are given.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        tracers: TracerProvider | None = None,
        meters: MeterProvider | None = None,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._now = monotonic
        self._tracer = get_tracer("dialogbase", tracer_provider=tracers)
        self._meter = meter = get_meter("dialogbase", meter_provider=meters)
        self.durations = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="How long operations of ports take.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.errors = meter.create_counter(
            "dialogbase.operation.errors",
            unit="{operation}",
            description="How many operations of ports raised something.",
        )
        # Of each round's measures one, whichever is told first.
        self.counter: Callable[[str], Counter] = cache(meter.create_counter)
        self._timer = cache(self._make_timer)

    def operation(self, place: Place, operation: str) -> Traced:
        """It begins."""
        about = {
            "db.system.name": _SYSTEMS.get(place.store, place.store),
            "db.collection.name": place.port,
            "db.operation.name": operation,
            _TENANT: place.tenant,
        }
        kind = SpanKind.CLIENT if place.store in _SYSTEMS else SpanKind.INTERNAL
        span = self._tracer.start_span(f"{operation} {place.port}", kind=kind, attributes=about)
        return Traced(self, span, about)

    @contextmanager
    def begun(self, name: str, **about: str) -> Iterator[Round]:
        """As `Rounds.begun`; a `tenant` that it is about is told as everywhere."""
        told = {_TENANT if key == "tenant" else f"dialogbase.{key}": about[key] for key in about}
        began = self._now()
        with self._tracer.start_as_current_span(
            name, attributes=told, record_exception=False, set_status_on_exception=False
        ) as span:
            seen = _TracedRound(self, name, told, span)
            try:
                yield seen
            except BaseException as error:
                seen.failed(type(error).__name__)
                raise
            finally:
                self.timer(f"dialogbase.{name}.duration").record(self._now() - began, told)

    def timer(self, name: str) -> Histogram:
        """The histogram of that name, of seconds."""
        return self._timer(name)

    def waited(self, since: datetime) -> float:
        """Seconds from then until now."""
        return max(0.0, (self._clock.now() - since).total_seconds())

    def _make_timer(self, name: str) -> Histogram:
        buckets = _WAITS if name.endswith(".lag") else _BUCKETS
        return self._meter.create_histogram(
            name, unit="s", explicit_bucket_boundaries_advisory=buckets
        )


class _TracedRound(Round):
    def __init__(self, of: Telemetry, name: str, about: dict[str, str], span: Span) -> None:
        self._of = of
        self._name = name
        self._about = about
        self._span = span

    def count(self, what: str, number: int) -> None:
        self._of.counter(f"dialogbase.{self._name}.{what}").add(number, self._about)
        self._span.set_attribute(f"dialogbase.{what}", number)

    def since(self, oldest: datetime) -> None:
        lag = self._of.waited(oldest)
        self._of.timer(f"dialogbase.{self._name}.lag").record(lag, self._about)
        self._span.set_attribute("dialogbase.lag", lag)

    def failed(self, error: str) -> None:
        self._span.set_attribute("error.type", error)
        self._span.set_status(StatusCode.ERROR)
