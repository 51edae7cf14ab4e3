"""What works across tenants, over all stores."""

from collections.abc import AsyncIterator

import attrs

from domain.identity import TenantId
from ports.stores import AuthoringMaintenance, DialogueMaintenance, Maintenance


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

    async def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has data in any store, each once, by code point; constant memory."""
        sources = (self.authoring.tenants(), self.dialogue.tenants())
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

        One store after the other, the conversations first, each as it promises by itself.
        Interrupted or failed in between, it may be called again and goes on.
        """
        erased = await self.dialogue.erase_tenant(tenant)
        return erased + await self.authoring.erase_tenant(tenant)
