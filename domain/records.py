"""What stores keep beside entities, and no port shows whole: a tenant's export holds it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from attrs import field, frozen

from domain.executions import ExecutionState
from domain.experiments import METRIC_NAME, UNIT, VARIANT_NAME
from domain.identity import TENANT, TenantId
from domain.rules import Value, flag, identifier, instance, rule, uuid, whole

_DECIMAL: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,1200})?")


def _decimal(candidate: object) -> Decimal:
    if isinstance(candidate, str) and _DECIMAL.fullmatch(candidate):
        candidate = Decimal(candidate)
    if not isinstance(candidate, Decimal) or not candidate.is_finite():
        raise ValueError("must be a decimal number, as text")
    return candidate


@frozen(kw_only=True, slots=False)
class UnitOutcome(Value):
    """What was recorded of one metric for one unit of an experiment.

    `recorded`: how many outcomes; `total`: the exact sum of their values. Unique by experiment,
    metric and unit.
    """

    tenant_id: TenantId = field(metadata=rule(TENANT))
    experiment_id: UUID = field(metadata=rule(uuid))
    metric: str = field(metadata=rule(METRIC_NAME))
    unit: str = field(metadata=rule(UNIT))
    variant: str = field(metadata=rule(VARIANT_NAME))
    recorded: int = field(metadata=rule(whole(1)))
    total: Decimal = field(metadata=rule(_decimal))


@frozen(kw_only=True, slots=False)
class OutcomeKey(Value):
    """What came with an idempotency key of an outcome. Unique by experiment and key."""

    tenant_id: TenantId = field(metadata=rule(TENANT))
    experiment_id: UUID = field(metadata=rule(uuid))
    key: str = field(metadata=rule(identifier(128)))
    unit: str = field(metadata=rule(UNIT))
    metric: str = field(metadata=rule(METRIC_NAME))
    value: Decimal = field(metadata=rule(_decimal))


@frozen(kw_only=True, slots=False)
class KeptExecution(Value):
    """An execution state with its `life` (see `ports.tracking`); `noted`: whether it was changed
    since it was synchronised with its context.
    """

    state: ExecutionState = field(metadata=rule(instance(ExecutionState)))
    life: int = field(metadata=rule(whole(0, 2**53 - 1)))
    noted: bool = field(default=False, metadata=rule(flag))

    @property
    def id(self) -> str:
        """The conversation's."""
        return self.state.id

    @property
    def tenant_id(self) -> TenantId:
        """Whose it is."""
        return self.state.tenant_id

    @property
    def expires_at(self) -> datetime:
        """When it ends if nobody writes to it."""
        return self.state.expires_at
