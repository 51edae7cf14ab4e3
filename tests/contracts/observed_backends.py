"""Ports that are observed, as the contracts see them: whoever looks on changes nothing."""

from typing import ClassVar

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from adapters.observed.operations import Observer
from adapters.observed.scope import ObservedScope
from adapters.observed.telemetry import Telemetry
from domain.identity import NOBODY, Author, tenant_id
from ports.stores import TenantScope
from tests.contracts.backends import MemoryBackend


class MemoryObservedBackend(MemoryBackend):
    """In memory, by everything that observes, all of it turned on; each port, each kind of
    operation, and each way for one to end.
    """

    name: ClassVar[str] = "memory-observed"
    only: ClassVar[frozenset[str]] = frozenset(
        {
            *("flows", "flow_operations", "integrations", "contexts", "unit_of_work"),
            *("sessions", "locks", "rate_limits", "cache_loading", "append_log"),
        }
    )

    def __init__(self, telemetry: Telemetry | None = None) -> None:
        super().__init__()
        if telemetry is None:
            telemetry = Telemetry(self.clock, tracers=TracerProvider(), meters=MeterProvider())
        self._observer = Observer(log_failures=True, slow=0, telemetry=telemetry)

    def scope(self, tenant: str, instance: int = 0, author: Author = NOBODY) -> TenantScope:
        opened = self.instances[instance]
        return ObservedScope(
            tenant_id(tenant),
            opened.authoring,
            opened.dialogue,
            opened.runtime,
            author,
            analytics=opened.analytics,
            observer=self._observer,
        )
