"""Which flow a conversation follows, and its definition at each message."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

import attrs

from domain.definitions import FlowDefinition
from domain.flows import Flow
from ports.stores import TenantScope

MOST_VERSIONS: Final = 256


class NoFlowError(LookupError):
    """The tenant has no active flow."""


@attrs.frozen(kw_only=True)
class Chosen:
    """The flow of a conversation that begins, and by which experiment, if by any."""

    flow: Flow
    version: str
    definition: FlowDefinition
    experiment_id: UUID | None = None
    variant: str | None = None


@attrs.frozen
class Flows:
    """Flows as conversations want them. A process has one, for all tenants: a version that was left
    never changes, so that it is read once. (The current ones are cached by the platform.)
    """

    _kept: "OrderedDict[tuple[str, UUID, str], FlowDefinition]" = attrs.field(
        factory=OrderedDict, init=False, repr=False
    )

    async def choose(self, scope: TenantScope, unit: str) -> Chosen:
        """The default flow, or else the active one that was used last; and of it the version that
        the running experiment gives the unit, which keeps it from then on.

        Raises:
            NoFlowError: if no flow is active.
        """
        flow = await scope.flows.get_default()
        if flow is None:
            active = await scope.flows.get_active(1)
            if not active:
                raise NoFlowError(scope.tenant)
            flow = active[0]
        for experiment in await scope.experiments.running_for(flow.id, 1):
            assigned = await scope.experiments.assign(experiment.id, unit)
            if assigned is None:
                continue
            variants = {variant.name: variant for variant in experiment.variants}
            variant = variants.get(assigned.variant)
            version = (variant and variant.flow_version) or flow.version
            return Chosen(
                flow=flow,
                version=version,
                definition=await self.definition(scope, flow.id, version),
                experiment_id=experiment.id,
                variant=assigned.variant,
            )
        return Chosen(flow=flow, version=flow.version, definition=flow.definition)

    async def definition(self, scope: TenantScope, id: UUID, version: str) -> FlowDefinition:
        """A flow's definition in one version: conversations go on as they began, whatever was
        published meanwhile. A version that is there no more gives way to the current one.

        Raises:
            EntityNotFoundError: if the flow is there no more.
        """
        flow = await scope.flows.require(id)
        if flow.version == version:
            return flow.definition
        key = (scope.tenant, id, version)
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known
        found = await scope.flows.get_version(id, version)
        if found is None:
            return flow.definition
        self._kept[key] = found.definition
        if len(self._kept) > MOST_VERSIONS:
            self._kept.popitem(last=False)
        return found.definition
