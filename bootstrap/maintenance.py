"""What works across tenants, over all stores."""

from collections.abc import AsyncIterator
from datetime import datetime

import attrs

from adapters.system import SystemClock
from domain.identity import TenantId
from domain.retention import FOR_EVER, Retention, SweepReport
from ports.stores import (
    AnalyticsMaintenance,
    AuthoringMaintenance,
    DialogueMaintenance,
    Maintenance,
    RuntimeMaintenance,
)
from ports.sweeping import Sweeper
from ports.time import Clock


@attrs.frozen
class PlatformMaintenance(Maintenance):
    """Maintenance of everything; what concerns one group of data alone is found under its name:

    platform.maintenance.erase_tenant(tenant)       # flows, conversations, all of it
    platform.maintenance.dialogue.close_idle(...)   # conversations only
    """

    authoring: AuthoringMaintenance
    """Of flows and whatever else is authored."""

    dialogue: DialogueMaintenance
    """Of conversations, their messages and contexts."""

    runtime: RuntimeMaintenance
    """Of sessions, execution states and whatever else lives for a while."""

    analytics: AnalyticsMaintenance
    """Of analytics events."""

    synchronised: bool = False
    """Whether execution states come back from their contexts."""

    retention: Retention = FOR_EVER
    """How long what has no time of its own is kept."""

    clock: Clock = attrs.field(factory=SystemClock, repr=False)

    @property
    def sweeper(self) -> Sweeper:
        """Sweeps by the retention."""
        return Sweeper(self, self.retention, self.clock)

    async def sweep(
        self, now: datetime | None = None, *, limit: int | None = None, dry_run: bool = False
    ) -> SweepReport:
        """Whatever has been kept for long enough goes, in all stores; see `ports.sweeping` and, for
        what that is, `domain.retention`.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        return await self.sweeper.once(now, limit=limit, dry_run=dry_run)

    async def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has data in any store, each once, by code point; in memory at once are
        the names of those alone whose data lives for a while.
        """
        parts = (self.authoring, self.dialogue, self.runtime, self.analytics)
        sources = [part.tenants() for part in parts]
        heads = [(await anext(source, None), source) for source in sources]
        while waiting := [(tenant, source) for tenant, source in heads if tenant is not None]:
            least = min(tenant for tenant, _ in waiting)
            yield least
            heads = [
                (await anext(source, None) if tenant == least else tenant, source)
                for tenant, source in waiting
            ]

    async def erase_tenant(self, tenant: TenantId) -> int:
        """Delete all of a tenant's data in every store; how many entities went.

        One store after the other, each as it promises by itself: first what lives for a while, so
        that nobody stays logged in to what goes next, then the conversations and what was counted
        of them; at last once more what lives for a while, for until its outbox is gone a tenant's
        changes may be published, and its flows kept in caches, and until its contexts are, its
        execution states restored. Interrupted or failed in between, it may be called again and
        goes on.
        """
        erased = await self.runtime.erase_tenant(tenant)
        erased += await self.dialogue.erase_tenant(tenant)
        erased += await self.analytics.erase_tenant(tenant)
        erased += await self.authoring.erase_tenant(tenant)
        again = await self.runtime.erase_tenant(tenant)
        return erased if self.synchronised else erased + again  # what came back was counted
