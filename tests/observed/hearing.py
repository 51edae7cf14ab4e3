"""An SDK of OpenTelemetry that remembers what it was told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from dependency_injector import providers
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.observed.telemetry import Telemetry
from adapters.system import SystemClock
from bootstrap import Settings
from bootstrap.container import Container
from bootstrap.platform import Platform, opened


@attrs.define
class Heard:
    """What an SDK was told."""

    spans: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)

    def tracers(self) -> TracerProvider:
        """What makes spans that are heard."""
        made = TracerProvider()
        made.add_span_processor(SimpleSpanProcessor(self.spans))
        return made

    @asynccontextmanager
    async def platform(self, **settings: Any) -> AsyncIterator[Platform]:
        """One in memory, whose operations are told."""
        meters = MeterProvider([self.metrics])
        container = Container(settings=Settings(profile="memory", telemetry=True, **settings))
        telemetry = Telemetry(SystemClock(), tracers=self.tracers(), meters=meters)
        container.telemetry.override(providers.Object(telemetry))
        async with opened(container) as platform:
            yield platform

    def ended(self) -> list[ReadableSpan]:
        """Spans, as they ended."""
        return list(self.spans.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """What a metric has by now."""
        data = self.metrics.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def about(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})
