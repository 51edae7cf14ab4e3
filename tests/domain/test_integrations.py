"""Integrations: what is admitted, what follows from a call, and who may see what."""

from typing import Any
from uuid import UUID

import attrs
import pytest

from domain.errors import TransitionNotAllowedError, ValidationError
from domain.identity import TenantId
from domain.integrations import (
    AuthType,
    CallReport,
    Integration,
    IntegrationHealth,
    IntegrationStatus,
    IntegrationType,
    RetryPolicy,
    health_after,
    told,
)
from domain.secrets import MAX_SECRET_BYTES, MAX_TRACE, Secret
from tests.domain.values import AT

H = IntegrationHealth


def made(**fields: Any) -> Integration:
    """One that a store returned."""
    draft = Integration.draft(name="crm", type="rest_api")
    return attrs.evolve(draft.assigned(tenant=TenantId("t"), new_id=UUID(int=1), at=AT), **fields)


def test_a_draft_is_in_testing_and_its_health_unknown() -> None:
    """What has defaults needn't be said."""
    one = made()
    assert (one.status, one.health) == (IntegrationStatus.TESTING, H.UNKNOWN)
    assert (one.type, one.auth_type) == (IntegrationType.REST_API, AuthType.NONE)
    assert (one.failure_rate, one.avg_latency_ms) == (None, None)


def test_every_fault_is_named_at_once() -> None:
    """And none of the credentials."""
    wrong: Any = {"password": "hunter2"}
    with pytest.raises(ValidationError) as refused:
        Integration.draft(name="", type="no such", credentials=wrong, timeout_ms=0, endpoint="")
    assert {fault.path for fault in refused.value.faults} == {
        "name",
        "type",
        "credentials",
        "timeout_ms",
        "endpoint",
    }
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://ada:hunter2@crm.example/api",
        "postgresql://:hunter2@db/x",
        "amqp://u:p@@host",
        "https://ada@crm.example:hunter2@crm.example/api",
        "//ada:hunter2@crm.example",
    ],
)
def test_an_endpoint_holds_no_password(endpoint: str) -> None:
    """It is shown to everybody."""
    with pytest.raises(ValidationError) as refused:
        made(endpoint=endpoint)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint",
    ["https://crm.example:8443/a@b:c", "ada@crm.example", "queue:orders", "ftp://ada@host/x:y@z"],
)
def test_an_endpoint_may_be_anything_else(endpoint: str) -> None:
    """Ports, paths and names of accounts are no passwords."""
    assert made(endpoint=endpoint).endpoint == endpoint


def test_only_what_is_editable_is_edited() -> None:
    """The status has its table, and calls decide the rest."""
    one = made().edited(name="erp", credentials=Secret({"a": 1}), retry_policy=RetryPolicy())
    assert one.name == "erp"
    with pytest.raises(ValidationError):
        one.edited(health="healthy")
    assert one.moved_to("active").status is IntegrationStatus.ACTIVE
    with pytest.raises(TransitionNotAllowedError):
        one.moved_to(IntegrationStatus.ERROR)


@pytest.mark.parametrize(
    ("before", "failures", "after"),
    [
        *((health, 0, H.HEALTHY) for health in H),
        *((health, 1, H.DEGRADED) for health in (H.UNKNOWN, H.HEALTHY, H.DEGRADED)),
        (H.DEGRADED, 4, H.DEGRADED),
        (H.DEGRADED, 5, H.UNHEALTHY),
        (H.HEALTHY, 6, H.UNHEALTHY),
        (H.UNHEALTHY, 1, H.UNHEALTHY),
    ],
)
def test_the_rule_of_health(
    before: IntegrationHealth, failures: int, after: IntegrationHealth
) -> None:
    """A success heals, a failure degrades, the fifth in a row makes unhealthy."""
    assert health_after(before, failures) is after


def test_a_retry_waits_longer_each_time_and_never_too_long() -> None:
    """The first attempt waits for nothing."""
    policy = RetryPolicy(initial_delay_ms=100, multiplier=2, max_delay_ms=500)
    assert [policy.delay_ms(n) for n in (0, 1, 2, 3, 4, 5, 10_000)] == [
        0,
        0,
        100,
        200,
        400,
        500,
        500,
    ]


def test_an_errors_text_is_masked_before_it_is_cut() -> None:
    """So that no beginning of a secret is left at the cut."""
    secret = Secret({"key": "k" * 100})
    text = "x" * 450 + "k" * 100
    assert told(text, secret) == "x" * 450 + "***"
    assert told(text, None) == text[:500]
    assert told(None, secret) is None


@pytest.mark.parametrize("size", [8, 400, MAX_SECRET_BYTES - 100])
@pytest.mark.parametrize("before", [0, 1, 450, MAX_TRACE, 3 * MAX_TRACE - 3])
def test_nothing_of_a_secret_is_left_however_long_the_text(size: int, before: int) -> None:
    """Wherever it is cut, in whatever form the secret stands there."""
    for key, form in (("k", "k"), ("%", "%25")):
        text = "x" * before + form * size + "x" * 4 * MAX_TRACE
        kept = told(text, Secret({"key": key * size}))
        assert kept == ("x" * before + "***" + "x" * 500)[:500]
        only = told(form * (10 * MAX_TRACE), Secret({"key": key * size}))
        assert set(only or "none") == {"*"}


def test_a_reports_words_are_not_shown() -> None:
    """They may hold anything."""
    report = CallReport(success=False, latency_ms=1, error="hunter2", metadata={"a": "hunter2"})
    assert "hunter2" not in repr(report)
