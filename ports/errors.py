"""Every error that leaves a port. Bad values are the domain's `ValidationError`.

No message carries credentials, payloads or a driver's own text.
"""

from typing import ClassVar, Final


class RepositoryError(Exception):
    """Base of what a store can answer. `retryable`: the same call may succeed later, unchanged."""

    retryable: ClassVar[bool] = False


class EntityNotFoundError(RepositoryError, LookupError):
    """There is no such entity in this tenant (another tenant's doesn't exist either)."""

    def __init__(self, entity_type: str, entity_id: object) -> None:
        self.entity_type = entity_type
        self.entity_id = entity_id
        super().__init__(entity_type, entity_id)

    def __str__(self) -> str:
        return f"no {self.entity_type} with id {self.entity_id}"


class DuplicateEntityError(RepositoryError):
    """Something unique stands already. `key` names the fields that must be unique together."""

    def __init__(self, entity_type: str, key: tuple[str, ...]) -> None:
        self.entity_type = entity_type
        self.key = key
        super().__init__(entity_type, key)

    def __str__(self) -> str:
        return f"a {self.entity_type} with the same {' and '.join(self.key)} exists already"


class ConflictError(RepositoryError):
    """The entity changed since it was read: read it again, then decide anew."""

    def __init__(self, entity_type: str, entity_id: object, expected: int, actual: int) -> None:
        self.entity_type = entity_type
        self.entity_id = entity_id
        self.expected = expected
        self.actual = actual
        super().__init__(entity_type, entity_id, expected, actual)

    def __str__(self) -> str:
        return (
            f"{self.entity_type} {self.entity_id} stands at revision {self.actual}, "
            f"not {self.expected}"
        )


class SequenceConflictError(ConflictError):
    """A log doesn't end where the caller believed: `expected` and `actual` are last sequences."""

    def __str__(self) -> str:
        return (
            f"the log of {self.entity_type} {self.entity_id} ends at sequence {self.actual}, "
            f"not {self.expected}"
        )


class IdempotencyKeyReusedError(RepositoryError):
    """An idempotency key that stands for an append came again with other content."""

    def __init__(self, entity_type: str, entity_id: object) -> None:
        self.entity_type = entity_type
        self.entity_id = entity_id
        super().__init__(entity_type, entity_id)

    def __str__(self) -> str:
        return (
            f"the idempotency key was used in {self.entity_type} {self.entity_id} already, "
            "with other content"
        )


class InvalidQueryError(RepositoryError, ValueError):
    """A criteria, order, page or cursor that has no meaning for this entity."""


class TenantMismatchError(RepositoryError):
    """An entity of another tenant was handed to a tenant's scope."""

    def __init__(self, entity_type: str, scope: str) -> None:
        self.entity_type = entity_type
        self.scope = scope
        super().__init__(entity_type, scope)

    def __str__(self) -> str:
        return f"this {self.entity_type} doesn't belong to tenant {self.scope!r}"


class UnsupportedOperationError(RepositoryError):
    """The adapter doesn't declare the capability that this operation needs."""


class TransactionError(RepositoryError):
    """The unit of work can't go on or commit, and nothing of it was kept.

    Another one changed the same things first, or an operation within it had failed. Retryable as
    a whole: run the unit again from its beginning.
    """

    retryable = True


class StoreUnavailableError(RepositoryError):
    """The store can't be reached, and this call changed nothing."""

    retryable = True


class StoreTimeoutError(RepositoryError):
    """The call's deadline passed; it changed nothing."""

    retryable = True


class OutcomeUnknownError(RepositoryError):
    """A write was sent and its acknowledgement lost: it may have happened. Read, then act."""


AWAY: Final = (StoreUnavailableError, StoreTimeoutError, OutcomeUnknownError)
"""What a store raises that doesn't answer: whatever it is asked next will most likely wait, too."""


class CorruptRecordError(RepositoryError):
    """What the store holds can't be read as an entity. The record is named, never its content."""

    def __init__(self, entity_type: str, entity_id: object, fields: tuple[str, ...] = ()) -> None:
        self.entity_type = entity_type
        self.entity_id = entity_id
        self.fields = fields
        super().__init__(entity_type, entity_id, fields)

    def __str__(self) -> str:
        where = f" in {', '.join(self.fields)}" if self.fields else ""
        return f"the stored {self.entity_type} {self.entity_id} is corrupt{where}"


class EncryptionKeyError(RepositoryError):
    """A secret can't be sealed or opened: its key, or any key at all (None), isn't at hand."""

    def __init__(self, key_id: str | None) -> None:
        self.key_id = key_id
        super().__init__(key_id)

    def __str__(self) -> str:
        if self.key_id is None:
            return "there is no encryption key: set `encryption_keys` to keep or read credentials"
        return f"what is stored is under the encryption key {self.key_id!r}, which isn't at hand"


class ErasedError(RepositoryError):
    """The tenant, or the user of it that this concerns, was erased: nothing more is written of it.

    `user_id` is personal data, and so isn't in the message.
    """

    def __init__(self, tenant_id: str, user_id: str | None = None) -> None:
        self.tenant_id = tenant_id
        self.user_id = user_id
        super().__init__(tenant_id, user_id)

    def __str__(self) -> str:
        who = "what this concerns" if self.user_id is None else "a user whom this concerns"
        return f"{who} was erased from tenant {self.tenant_id!r}: nothing more is written of it"


class LockLostError(RepositoryError):
    """The lease ended while it was held: someone else may hold the lock by now."""


class LockNotAcquiredError(RepositoryError):
    """The lock wasn't to be had within the time that the caller gave; nothing was changed."""

    retryable = True
