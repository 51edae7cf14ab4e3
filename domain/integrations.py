"""Integrations with systems outside, and the log of the calls that were made to them."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from attrs import evolve, field, frozen

from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError, key_step
from domain.identity import DIALOGUE_ID, NIL, REVISION, TENANT, Draft, TenantId
from domain.lifecycle import Lifecycle
from domain.rules import (
    Value,
    bounded_json,
    checked,
    flag,
    instance,
    instant,
    json_object,
    number,
    one_of,
    optional,
    restored,
    rule,
    text,
    uuid,
    whole,
)
from domain.secrets import MASK, MAX_TRACE, Secret

MAX_ERROR: Final = 500
"""Characters that are kept of an error's text."""
UNHEALTHY_AFTER: Final = 5
"""Failures in a row that make an integration unhealthy."""
_HEARD: Final = 3 * MAX_TRACE
"""Characters of an error's text that are searched for what credentials hold: whole pages of HTML
come as errors, and what takes long keeps everybody waiting."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ACCOUNT = re.compile(r"//[^/?#:]*:[^/?#]*@")
"""A password in a URL; a user's name may be an address of mail, with a sign `@` of its own."""


class IntegrationType(StrEnum):
    """What is at the other end."""

    REST_API = "rest_api"
    GRAPHQL = "graphql"
    WEBHOOK = "webhook"
    DATABASE = "database"
    FILE_SYSTEM = "file_system"
    MESSAGE_QUEUE = "message_queue"
    CUSTOM = "custom"


class AuthType(StrEnum):
    """How one says there who one is."""

    NONE = "none"
    API_KEY = "api_key"
    BASIC_AUTH = "basic_auth"
    BEARER_TOKEN = "bearer_token"
    OAUTH2 = "oauth2"
    JWT = "jwt"
    CUSTOM = "custom"


class IntegrationStatus(StrEnum):
    """Where an integration is in its life; people decide it, calls don't."""

    TESTING = "testing"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ERROR = "error"


_S = IntegrationStatus
INTEGRATION_LIFECYCLE = Lifecycle(
    "Integration",
    {
        _S.TESTING: frozenset({_S.ACTIVE, _S.INACTIVE}),
        _S.ACTIVE: frozenset({_S.TESTING, _S.INACTIVE, _S.ERROR}),
        _S.INACTIVE: frozenset({_S.TESTING, _S.ACTIVE}),
        _S.ERROR: frozenset({_S.TESTING, _S.ACTIVE, _S.INACTIVE}),
    },
)


class IntegrationHealth(StrEnum):
    """How it went lately; calls decide it, and who looks after it may."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


def health_after(health: IntegrationHealth, consecutive_failures: int) -> IntegrationHealth:
    """The health after a call, from that before it and the failures in a row that it ended.

    A success makes it healthy. A failure makes it degraded, or unhealthy if it is the fifth in a
    row or more; and it never makes it better, so what was marked unhealthy stays so until a
    success.
    """
    if consecutive_failures == 0:
        return IntegrationHealth.HEALTHY
    if consecutive_failures >= UNHEALTHY_AFTER or health is IntegrationHealth.UNHEALTHY:
        return IntegrationHealth.UNHEALTHY
    return IntegrationHealth.DEGRADED


@frozen(kw_only=True, slots=False)
class RetryPolicy(Value):
    """How often a call is tried, and how long is waited in between.

    Before the second attempt `initial_delay_ms`, before each further one `multiplier` times what it
    was before the last, at most `max_delay_ms`. It is kept for who makes the calls, not applied.
    """

    max_attempts: int = field(default=3, metadata=rule(whole(1, 20)))
    initial_delay_ms: int = field(default=200, metadata=rule(whole(0, 3_600_000)))
    multiplier: float = field(default=2.0, metadata=rule(number(1, 100)))
    max_delay_ms: int = field(default=10_000, metadata=rule(whole(0, 3_600_000)))

    def delay_ms(self, attempt: int) -> int:
        """Milliseconds to wait before that attempt; the first is 1, and waits for nothing."""
        if attempt <= 1:
            return 0
        grown = self.initial_delay_ms * self.multiplier ** min(attempt - 2, 64)
        return int(min(grown, self.max_delay_ms))


def _endpoint(candidate: object) -> str:
    kept: str = text(2_048, min_length=1)(candidate)
    if _ACCOUNT.search(kept):
        raise ValueError("must hold no password: give it as credentials")
    return kept


def _said(candidate: object) -> str:
    """What an error said. It comes from elsewhere: what can't be stored of it is replaced."""
    if not isinstance(candidate, str):
        raise ValueError("must be text")
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", str.__str__(candidate))


def told(error: str | None, credentials: Secret | None) -> str | None:
    """An error's text as it is kept: without what the credentials hold, and cut."""
    if error is None:
        return None
    if credentials is None:
        return _said(error)[:MAX_ERROR]
    heard: str = credentials.masked(_said(error[:_HEARD]))
    if len(error) > _HEARD:
        heard = heard[:-MAX_TRACE] or MASK  # at its end, a secret may be cut in two
    return heard[:MAX_ERROR]


_LATENCY = whole(0, 10**9)
_STATUS_CODE = optional(whole(0, 2**31 - 1))
_CALL_METADATA = bounded_json(16 * 1024)


@frozen(kw_only=True, slots=False)
class Integration(Value):
    """How a system outside is reached. Unique by tenant and name.

    `health` and what follows it is the store's: it changes with the calls that are recorded and by
    `mark_health`, an update leaves it as it stands, and calls raise neither revision nor
    `updated_at`. `last_error` is that of the last failed call, and stays when others succeed.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    name: str = field(metadata=rule(text(255, min_length=1)))
    type: IntegrationType = field(metadata=rule(one_of(IntegrationType)))
    description: str | None = field(default=None, metadata=rule(optional(text(10_000))))
    endpoint: str | None = field(default=None, metadata=rule(optional(_endpoint)))
    auth_type: AuthType = field(default=AuthType.NONE, metadata=rule(one_of(AuthType)))
    credentials: Secret | None = field(default=None, metadata=rule(optional(instance(Secret))))
    config: JsonObject = field(default=EMPTY, metadata=rule(json_object))
    timeout_ms: int = field(default=30_000, metadata=rule(whole(1, 3_600_000)))
    retry_policy: RetryPolicy = field(factory=RetryPolicy, metadata=rule(instance(RetryPolicy)))
    status: IntegrationStatus = field(
        default=IntegrationStatus.TESTING, metadata=rule(one_of(IntegrationStatus))
    )
    health: IntegrationHealth = field(
        default=IntegrationHealth.UNKNOWN, metadata=rule(one_of(IntegrationHealth))
    )
    consecutive_failures: int = field(default=0, metadata=rule(whole()))
    last_checked_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    last_success_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    last_error: str | None = field(default=None, metadata=rule(optional(text(MAX_ERROR))))
    call_count: int = field(default=0, metadata=rule(whole()))
    failure_count: int = field(default=0, metadata=rule(whole()))
    latency_total_ms: int = field(default=0, metadata=rule(whole()))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    @property
    def failure_rate(self) -> float | None:
        """Failures per call; None before the first."""
        return self.failure_count / self.call_count if self.call_count else None

    @property
    def avg_latency_ms(self) -> float | None:
        """Mean latency of a call; None before the first."""
        return self.latency_total_ms / self.call_count if self.call_count else None

    @classmethod
    def draft(
        cls,
        *,
        name: str,
        type: IntegrationType | str,
        description: str | None = None,
        endpoint: str | None = None,
        auth_type: AuthType | str = AuthType.NONE,
        credentials: Secret | None = None,
        config: Mapping[str, object] = EMPTY,
        timeout_ms: int = 30_000,
        retry_policy: RetryPolicy | None = None,
        id: UUID | None = None,
    ) -> "Draft[Integration]":
        """A new integration in status testing, for `create`.

        Raises:
            ValidationError: naming every faulty field.
        """
        return Draft(
            cls(
                id=NIL if id is None else id,
                name=name,
                type=type,  # type: ignore[arg-type]  # its rule makes it one
                description=description,
                endpoint=endpoint,
                auth_type=auth_type,  # type: ignore[arg-type]  # its rule makes it one
                credentials=credentials,
                config=config,  # type: ignore[arg-type]  # its rule makes it one
                timeout_ms=timeout_ms,
                retry_policy=RetryPolicy() if retry_policy is None else retry_policy,
                **Draft.PROVISIONAL,
            ),
            id,
        )

    def edited(self, **changes: Any) -> Self:
        """This integration with some of `EDITABLE` changed.

        Raises:
            ValidationError: for a field that isn't editable, or a value that isn't admitted.
        """
        if wrong := [name for name in changes if name not in EDITABLE]:
            raise ValidationError(
                "Integration", [Fault(key_step(name), "can't be edited") for name in wrong]
            )
        return evolve(self, **changes)

    def moved_to(self, status: IntegrationStatus | str) -> Self:
        """This integration in another status.

        Raises:
            TransitionNotAllowedError: if the table of transitions doesn't hold it.
        """
        target: IntegrationStatus = checked(type(self), "status", status)
        INTEGRATION_LIFECYCLE.check(self.status, target)
        return evolve(self, status=target)

    def after(self, call: "IntegrationCall") -> Self:
        """This integration when `call`, its next one, was made.

        Raises:
            ValidationError: if a count leaves its bounds.
        """
        kind = type(self)
        failures = 0 if call.success else self.consecutive_failures + 1
        latency = self.latency_total_ms + call.latency_ms
        changes: dict[str, Any] = {
            "health": health_after(self.health, failures),
            "consecutive_failures": checked(kind, "consecutive_failures", failures),
            "last_checked_at": max(call.at, self.last_checked_at or call.at),
            "call_count": checked(kind, "call_count", call.sequence),
            "latency_total_ms": checked(kind, "latency_total_ms", latency),
        }
        if call.success:
            changes["last_success_at"] = max(call.at, self.last_success_at or call.at)
        else:
            changes["last_error"] = call.error
            changes["failure_count"] = checked(kind, "failure_count", self.failure_count + 1)
        # Everything else was checked when it was made, and this is done for every call.
        return restored(kind, {**vars(self), **changes})


EDITABLE = frozenset(
    {
        "name",
        "type",
        "description",
        "endpoint",
        "auth_type",
        "credentials",
        "config",
        "timeout_ms",
        "retry_policy",
    }
)


@frozen(kw_only=True, slots=False)
class CallReport(Value):
    """What is reported of a call that was made: `record_call` makes a log's entry of it.

    `at`: when it was made; None is when it is recorded. `latency_ms`: until the answer, or until it
    was given up. `status_code`: the protocol's own. `error`: what went wrong, of any length.
    """

    success: bool = field(metadata=rule(flag))
    latency_ms: int = field(metadata=rule(_LATENCY))
    status_code: int | None = field(default=None, metadata=rule(_STATUS_CODE))
    error: str | None = field(default=None, repr=False, metadata=rule(optional(_said)))
    conversation_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    metadata: Mapping[str, Any] = field(default=EMPTY, repr=False, metadata=rule(_CALL_METADATA))
    at: datetime | None = field(default=None, metadata=rule(optional(instant)))

    def _cross_faults(self) -> Iterable[Fault]:
        if self.success and self.error is not None:
            yield Fault("error", "a call that succeeded has none")

    @property
    def tells(self) -> bool:
        """Whether it says something in words, which could hold a secret."""
        return self.error is not None or bool(self.metadata)


@frozen(kw_only=True, slots=False)
class IntegrationCall(Value):
    """A call in an integration's log, never changed.

    `sequence` is its number among all calls of the integration, in the order in which they were
    recorded and without gaps; what was restored with `call_count` n goes on with n + 1.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    integration_id: UUID = field(metadata=rule(uuid))
    sequence: int = field(metadata=rule(whole(1)))
    at: datetime = field(metadata=rule(instant))
    success: bool = field(metadata=rule(flag))
    latency_ms: int = field(metadata=rule(_LATENCY))
    status_code: int | None = field(default=None, metadata=rule(_STATUS_CODE))
    error: str | None = field(default=None, metadata=rule(optional(text(MAX_ERROR))))
    conversation_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(json_object))
