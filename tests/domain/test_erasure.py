"""Tombstones: what they know of whom, and what a receipt may say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.erasure import Tombstone, user_hash
from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from tests.domain.test_immutability import mutable_parts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tombstone(**fields: Any) -> Tombstone:
    """One that stands for a day."""
    given = {"tenant_id": "t", "at": NOW, "until": NOW + timedelta(days=1), **fields}
    return Tombstone(**given)


def test_a_user_is_known_by_a_hash_that_no_other_has() -> None:
    """Of the same tenant, or of another whose name begins or ends alike."""
    users = [("t", "ada"), ("t", "Ada"), ("ta", "da"), ("t", "a/ada"), ("u", "ada")]
    hashes = {user_hash(TenantId(tenant), UserId(user)) for tenant, user in users}
    assert len(hashes) == len(users)
    made = tombstone(user_id="ada")
    assert made.user_hash == user_hash(TenantId("t"), UserId("ada"))
    assert not made.is_tenants
    assert "ada" not in repr(made)
    assert tombstone().is_tenants


def test_what_a_tombstone_holds_can_not_be_changed() -> None:
    """Its receipt included."""
    counts = {"things": 1}
    made = tombstone(erased=counts)
    counts["things"] = 2
    assert made.erased == {"things": 1}
    assert mutable_parts(made) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": NOW},
        {"at": NOW.replace(tzinfo=None)},
        {"user_id": "ada", "user_hash": "0" * 64},
        {"user_hash": "ada"},
        {"erased": {"Things": 1}},
        {"erased": {"things": -1}},
        {"erased": {"a.b": 1}},
        {"erased": [1]},
        {"tenant_id": "t/u"},
        {"user_id": "\0"},
    ],
    ids=str,
)
def test_what_can_be_no_tombstone_is_refused(wrong: dict[str, Any]) -> None:
    """Whatever is wrong about it."""
    with pytest.raises(ValidationError):
        tombstone(**wrong)
