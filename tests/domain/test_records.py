"""What stores keep beside entities."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from domain.errors import ValidationError
from domain.identity import TenantId
from domain.records import OutcomeKey, UnitOutcome

FIELDS: dict[str, Any] = {
    "tenant_id": TenantId("acme"),
    "experiment_id": uuid4(),
    "metric": "spent",
    "unit": "ada",
}


@pytest.mark.parametrize("text", ["0", "-1", "0.1", "1000000000000000.5", f"0.{'0' * 323}5"])
def test_a_sum_is_any_decimal_number(text: str) -> None:
    """By its text, to the last digit."""
    made = UnitOutcome(**FIELDS, variant="control", recorded=1, total=text)  # type: ignore[arg-type]  # its rule makes it one
    assert made.total == Decimal(text)


@pytest.mark.parametrize(
    "candidate", ["", "1e5", "NaN", "Infinity", "1_0", " 1", "1.", "٣", "9" * 500, 1.5, None, True]
)
def test_nothing_else_is_one(candidate: object) -> None:
    """No float, no exponent, no number without an end."""
    value: Any = candidate
    with pytest.raises(ValidationError, match="decimal"):
        OutcomeKey(**FIELDS, key="k", value=value)
    with pytest.raises(ValidationError, match="decimal"):
        OutcomeKey(**FIELDS, key="k", value=Decimal("NaN"))
