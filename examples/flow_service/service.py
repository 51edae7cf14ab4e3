"""The service: it knows ports and the domain, and no store."""

from collections.abc import Mapping

import attrs

from domain.definitions import FlowDefinition
from domain.flows import Flow, FlowStatus
from examples.flow_service.choosing import ConversationStart, best_match
from ports.flows import FlowRepository
from ports.stores import TenantScope


class NoFlowError(LookupError):
    """No flow fits, and the tenant has no default."""


@attrs.frozen
class FlowService:
    """One tenant's flows, as an editor and a conversation engine want them."""

    _scope: TenantScope

    async def publish(
        self,
        name: str,
        definition: FlowDefinition,
        *,
        by: str,
        triggers: Mapping[str, object] | None = None,
        as_default: bool = False,
    ) -> Flow:
        """Publish a flow, or the next version of the one of that name.

        All of it or nothing: a definition with faults leaves everything as it was.
        """
        async with self._scope.authoring() as work:
            flow = await self._flow_to_publish(work.flows, name, definition, by)
            if triggers is not None:
                await work.flows.patch(flow.id, trigger_conditions=triggers, updated_by=by)
            published = await work.flows.publish(flow.id, by=by)
            if as_default:
                published = await work.flows.set_default(flow.id, by=by)
        return published

    async def choose(self, start: ConversationStart) -> Flow:
        """The flow for a conversation: the best match, or else the default. Counts its use.

        Raises:
            NoFlowError: if there is neither.
        """
        active = self._scope.flows.stream({"status": FlowStatus.ACTIVE})
        chosen = best_match([flow async for flow in active], start)
        if chosen is None:
            chosen = await self._scope.flows.get_default()
        if chosen is None:
            raise NoFlowError(f"no flow of {self._scope.tenant} fits, and there is no default")
        await self._scope.flows.increment_usage(chosen.id)
        return chosen

    async def _flow_to_publish(
        self, flows: FlowRepository, name: str, definition: FlowDefinition, by: str
    ) -> Flow:
        found = await flows.list({"name": name}, order="-created_at")
        if not found.items:
            return await flows.create(Flow.draft(name=name, definition=definition, created_by=by))
        current = found.items[0]
        await flows.create_version(current.id, definition=definition, by=by)
        return current
