"""What works across tenants, over all stores."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import attrs

from adapters.system import SystemClock
from bootstrap.erasing import KEPT, Erasures, Told
from domain.identity import USER, TenantId, UserId, tenant_id
from domain.receipts import Erasure
from domain.retention import FOR_EVER, Retention, SweepReport
from domain.rules import argument
from ports.observation import UNOBSERVED, Rounds
from ports.stores import (
    AnalyticsMaintenance,
    AuthoringMaintenance,
    DialogueMaintenance,
    RuntimeMaintenance,
)
from ports.sweeping import Sweeper
from ports.time import Clock


@attrs.frozen
class PlatformMaintenance:
    """Maintenance of everything; what concerns one group of data alone is found under its name:

    platform.maintenance.erase_user(tenant, user)   # from all stores, with a receipt of each
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

    retention: Retention = FOR_EVER
    """How long what has no time of its own is kept."""

    clock: Clock = attrs.field(factory=SystemClock, repr=False)

    buried_for: timedelta = KEPT
    """How long tombstones stand."""

    rounds: Rounds = attrs.field(default=UNOBSERVED, repr=False)
    """Who is told of each sweep."""

    @property
    def sweeper(self) -> Sweeper:
        """Sweeps by the retention."""
        return Sweeper(self, self.retention, self.clock, rounds=self.rounds)

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

    @property
    def erasures(self) -> Erasures:
        """Erasures of tenants and users; see `bootstrap.erasing`."""
        return Erasures(
            self.authoring, self.dialogue, self.runtime, self.analytics, self.clock, self.buried_for
        )

    async def erase_tenant(self, tenant: TenantId, *, told: Told | None = None) -> Erasure:
        """Erase all of a tenant's data from every store, for good: nothing is written of it
        afterwards, by whatever process, until it is lifted. The receipts, with all that went.
        `told` is where it is, at each step.

        Takes as long as what is under way anywhere may take (some seconds), or as the data do.
        Killed, failed or cancelled, it goes on when it is called again, or by `resume`; once it is
        finished, another call changes nothing. See `bootstrap.erasing`.

        Raises:
            ValidationError: for what can't be a tenant's name.
            StoreUnavailableError, StoreTimeoutError, OutcomeUnknownError: if a store failed.
        """
        return await self.erasures.erase(tenant_id(tenant), None, told)

    async def erase_user(
        self, tenant: TenantId, user: UserId, *, told: Told | None = None
    ) -> Erasure:
        """Erase all data of a tenant's user from every store, for good; otherwise as
        `erase_tenant`. What counts as the user's, each store's `erase_user` says, and what stays,
        `bootstrap.erasing`.
        """
        named = tenant_id(tenant)
        return await self.erasures.erase(named, argument("maintenance", "user", user, USER), told)

    async def unfinished(self) -> Sequence[Erasure]:
        """Erasures that were begun and aren't finished, those begun first, first: under way, or
        interrupted.
        """
        return await self.erasures.unfinished()

    async def resume(self, *, told: Told | None = None) -> Sequence[Erasure]:
        """Finish all of them; what became of each. Several may do so at once."""
        return await self.erasures.resume(told)

    async def lift(self, tenant: TenantId, user: UserId | None = None) -> bool:
        """Admit writes of an erased tenant, or user of it, again; False if nobody was erased. The
        receipts are gone with it. Other processes admit them once they have heard of it.
        """
        return await self.erasures.lift(tenant, user)
