"""OpenTelemetry: spans and metrics, named by its semantic conventions for database clients.

Only its API is used; which spans are kept, and where they and the metrics go, is for the SDK that
the service brings. Without one, nothing is kept. No argument, id, result or error's text is told.
What the SDK raises (its processors, samplers and views are the service's) becomes of no operation
and of no round: it is logged, once for each class of error.

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
from contextvars import Token
from datetime import datetime
from functools import cache, wraps
from typing import Final, ParamSpec

from opentelemetry.context import Context, attach, detach, get_current
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
from ports.logs import Log
from ports.observation import Round, Rounds
from ports.time import Clock

P = ParamSpec("P")

_LOG: Final = Log("operations")
_SYSTEMS: Final = {"postgres": "postgresql", "mongo": "mongodb", "redis": "redis"}
_TENANT: Final = "dialogbase.tenant"
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_WAITS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600)


def _harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """What only tells, so that what it raises is nobody else's failure."""

    @wraps(tell)
    def telling(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  # the SDK runs code of the service's
            _failed(type(error).__name__)

    return telling


@cache
def _failed(error: str) -> None:
    _LOG.warning("telemetry failed: this is told once", error=error)


class _Spanned:
    """What happens within a span. None: it could not be begun."""

    __slots__ = ("_span", "_token", "_within")

    def __init__(self, span: Span | None) -> None:
        self._span = span
        self._within: Context | None = None
        self._token: Token[Context] | None = None
        self.enter()

    @_harmless
    def enter(self) -> None:
        """What is begun from now on is within it."""
        if self._span is not None:
            self._within = set_span_in_context(self._span)
            self._token = attach(self._within)

    @_harmless
    def leave(self) -> None:
        """No more of it. Where it isn't entered, as in another task, nothing is to be left."""
        if self._token is not None and get_current() is self._within:
            detach(self._token)

    @_harmless
    def say(self, name: str, value: float | str) -> None:
        """An attribute of the span's."""
        if self._span is not None:
            self._span.set_attribute(name, value)

    @_harmless
    def trouble(self) -> None:
        """Somebody ought to look at it."""
        if self._span is not None:
            self._span.set_status(StatusCode.ERROR)

    @_harmless
    def end(self) -> None:
        """It is over."""
        if self._span is not None:
            self._span.end()


class Traced(_Spanned):
    """The span of one operation, and its share in the metrics."""

    __slots__ = ("_about", "_of")

    def __init__(self, of: "Telemetry", span: Span | None, about: dict[str, str]) -> None:
        self._of = of
        self._about = about
        super().__init__(span)

    def over(self, seconds: float, error: BaseException | None, own: bool) -> None:
        """It took so long; `own`: the error is its own."""
        about = self._about
        if error is not None:
            about = {**about, "error.type": type(error).__name__}
            self.say("error.type", about["error.type"])
            if is_trouble(error):
                self.trouble()
            if own and not has_left(error):
                self._of.erred(about)
        self._of.took(seconds, about)
        self.end()


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
        self._durations = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="How long operations of ports take.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._errors = meter.create_counter(
            "dialogbase.operation.errors",
            unit="{operation}",
            description="How many operations of ports raised something.",
        )
        # Of each round's measures one, whichever is told first.
        self._counter: Callable[[str], Counter] = cache(meter.create_counter)
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
        return Traced(self, self._began(f"{operation} {place.port}", about, kind), about)

    @contextmanager
    def begun(self, name: str, **about: str) -> Iterator[Round]:
        """As `Rounds.begun`; a `tenant` that it is about is told as everywhere."""
        told = {_TENANT if key == "tenant" else f"dialogbase.{key}": about[key] for key in about}
        began = self._now()
        spanned = _Spanned(self._began(name, told, SpanKind.INTERNAL))
        seen = _TracedRound(self, name, told, spanned)
        try:
            yield seen
        except BaseException as error:
            seen.failed(type(error).__name__)
            raise
        finally:
            self.lasted(f"dialogbase.{name}.duration", self._now() - began, told)
            spanned.leave()
            spanned.end()

    def _began(self, name: str, about: dict[str, str], kind: SpanKind) -> Span | None:
        try:
            return self._tracer.start_span(name, kind=kind, attributes=about)
        except Exception as error:  # noqa: BLE001  # the SDK runs code of the service's
            _failed(type(error).__name__)
            return None

    @_harmless
    def took(self, seconds: float, about: dict[str, str]) -> None:
        """An operation took so long."""
        self._durations.record(seconds, about)

    @_harmless
    def erred(self, about: dict[str, str]) -> None:
        """An operation raised something."""
        self._errors.add(1, about)

    @_harmless
    def counted(self, name: str, number: int, about: dict[str, str]) -> None:
        """So many of something."""
        self._counter(name).add(number, about)

    @_harmless
    def lasted(self, name: str, seconds: float, about: dict[str, str]) -> None:
        """Something of a round took so long."""
        self._timer(name).record(seconds, about)

    def waited(self, since: datetime) -> float:
        """Seconds from then until now."""
        return max(0.0, (self._clock.now() - since).total_seconds())

    def _make_timer(self, name: str) -> Histogram:
        buckets = _WAITS if name.endswith(".lag") else _BUCKETS
        return self._meter.create_histogram(
            name, unit="s", explicit_bucket_boundaries_advisory=buckets
        )


class _TracedRound(Round):
    def __init__(self, of: Telemetry, name: str, about: dict[str, str], spanned: _Spanned) -> None:
        self._of = of
        self._name = name
        self._about = about
        self._spanned = spanned

    def count(self, what: str, number: int) -> None:
        self._of.counted(f"dialogbase.{self._name}.{what}", number, self._about)
        self._spanned.say(f"dialogbase.{what}", number)

    def since(self, oldest: datetime) -> None:
        lag = self._of.waited(oldest)
        self._of.lasted(f"dialogbase.{self._name}.lag", lag, self._about)
        self._spanned.say("dialogbase.lag", lag)

    def failed(self, error: str) -> None:
        self._spanned.say("error.type", error)
        self._spanned.trouble()
