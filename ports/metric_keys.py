"""Idempotency keys of flows' figures, of all tenants: forgotten when nobody needs them any more."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial

from domain.identity import TenantId
from domain.rules import argument, instant
from ports.batches import check_total, in_batches

_BATCH = 1_000


class ForgettingMetricKeys(ABC):
    """The part of `AuthoringMaintenance` that forgets them."""

    async def purge_metric_keys(self, before: datetime, *, limit: int | None = None) -> int:
        """Forget the idempotency keys of flows' figures that came before a time (exclusive), tenant
        by tenant, each one's oldest first; how many, at most `limit`.

        What comes again with a key that is gone is added again. So keep them longer than anybody
        repeats a call, and than an execution waits to be counted: the sweep sees to the latter
        (see `ports.flow_projection`).

        In batches of at most 1 000, found by index; interrupted, it may be called again and goes
        on.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        until = argument("maintenance", "before", before, instant)
        check_total(limit)
        purged = 0
        async for tenant in self.tenants():
            left = None if limit is None else limit - purged
            if left == 0:
                break
            batch = partial(self._purge_metric_keys, tenant, until)
            purged += await in_batches(batch, left, _BATCH)
        return purged

    @abstractmethod
    def tenants(self) -> AsyncIterator[TenantId]:
        """As `Maintenance.tenants`."""

    # What a store implements.

    @abstractmethod
    async def _purge_metric_keys(
        self, tenant: TenantId, before: datetime, limit: int
    ) -> tuple[int, bool]:
        """One batch: how many, and whether there may be more."""
