"""Tombstones: what is left where a tenant, or one of its users, was erased."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from attrs import field, frozen

from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.identity import TENANT, USER, TenantId, UserId
from domain.rules import Value, instant, matching, optional, rule, whole

_KIND = matching(
    r"[a-z][a-z0-9_]{0,49}", "must have 1 to 50 characters of a-z 0-9 _ and begin with a letter"
)
_COUNT = whole(0, 2**53 - 1)
_HASH = matching(r"[0-9a-f]{64}", "must be a SHA-256 in hexadecimal digits")


def receipt(candidate: object) -> FrozenDict[str, int]:
    """How many of what: a rule."""
    if not isinstance(candidate, Mapping):
        raise ValueError("must be numbers by the name of what was erased")
    kept: dict[str, int] = {}
    faults: list[Fault] = []
    for kind, count in candidate.items():
        try:
            kept[_KIND(kind)] = _COUNT(count)
        except ValueError as error:
            faults.append(Fault(key_step(kind), str(error)))
    if faults:
        raise ValidationError("receipt", faults)
    return FrozenDict.holding(kept)


def user_hash(tenant: TenantId, user: UserId) -> str:
    """By what a tombstone knows a user: SHA-256 of tenant, `/` and user, in hexadecimal digits.

    No tenant's name holds a `/`, so no two users share one, and one user of two tenants has two. It
    has no key: whoever sees it and guesses the user's id can tell that it is the one.
    """
    return sha256(f"{tenant}/{user}".encode()).hexdigest()


@frozen(kw_only=True, slots=False)
class Tombstone(Value):
    """Says that a tenant (without a user), or a user of it, was erased, and refuses late writes.

    `user_id` is personal data itself: a store keeps it until the erasure is finished, so that one
    that was interrupted can be resumed, and from then on `user_hash` alone. Whoever names the user
    gets it back.
    """

    tenant_id: TenantId = field(metadata=rule(TENANT))
    user_id: UserId | None = field(default=None, repr=False, metadata=rule(optional(USER)))
    user_hash: str | None = field(default=None, metadata=rule(optional(_HASH)))
    """Of the user; the user's own id gives it. None: it is the whole tenant's."""

    at: datetime = field(metadata=rule(instant))
    """Since when."""

    until: datetime = field(metadata=rule(instant))
    """When it is gone, and writes are admitted again."""

    erased: FrozenDict[str, int] = field(default=FrozenDict(), metadata=rule(receipt))
    """The receipt: how many of what were erased in this store so far."""

    finished_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    """When nothing was left; None: the erasure is under way, or was interrupted."""

    @property
    def is_tenants(self) -> bool:
        """Whether it is of the whole tenant."""
        return self.user_hash is None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.user_id is not None:
            self.__dict__["user_hash"] = user_hash(self.tenant_id, self.user_id)

    def _cross_faults(self) -> Iterable[Fault]:
        if self.until <= self.at:
            yield Fault("until", "must be later than at")
        if self.user_id is not None and self.user_hash not in (
            None,
            user_hash(self.tenant_id, self.user_id),
        ):
            yield Fault("user_hash", "is another user's")
