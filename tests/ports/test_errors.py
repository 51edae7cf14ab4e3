"""The errors that leave a port."""

import copy
import inspect
import pickle
from uuid import UUID

import pytest

from ports import errors
from ports.errors import (
    ConflictError,
    CorruptRecordError,
    DuplicateEntityError,
    EncryptionKeyError,
    EntityNotFoundError,
    ErasedError,
    IdempotencyKeyReusedError,
    InvalidQueryError,
    LockLostError,
    LockNotAcquiredError,
    OutcomeUnknownError,
    RepositoryError,
    SequenceConflictError,
    StoreTimeoutError,
    StoreUnavailableError,
    TenantMismatchError,
    TransactionError,
    UnsupportedOperationError,
)

ID = UUID(int=1)
SAID: list[tuple[RepositoryError, str]] = [
    (EntityNotFoundError("flow", ID), f"no flow with id {ID}"),
    (
        DuplicateEntityError("flow", ("name", "version")),
        "a flow with the same name and version exists already",
    ),
    (ConflictError("flow", ID, 2, 5), f"flow {ID} stands at revision 5, not 2"),
    (
        SequenceConflictError("conversation", "c1", 4, 7),
        "the log of conversation c1 ends at sequence 7, not 4",
    ),
    (
        IdempotencyKeyReusedError("conversation", "c1"),
        "the idempotency key was used in conversation c1 already, with other content",
    ),
    (InvalidQueryError("no such field"), "no such field"),
    (TenantMismatchError("flow", "acme"), "this flow doesn't belong to tenant 'acme'"),
    (UnsupportedOperationError("regex"), "regex"),
    (TransactionError("run it again"), "run it again"),
    (StoreUnavailableError("postgres"), "postgres"),
    (StoreTimeoutError("after 5 s"), "after 5 s"),
    (OutcomeUnknownError("read, then act"), "read, then act"),
    (CorruptRecordError("flow", ID), f"the stored flow {ID} is corrupt"),
    (CorruptRecordError("flow", ID, ("a", "b")), f"the stored flow {ID} is corrupt in a, b"),
    (
        EncryptionKeyError(None),
        "there is no encryption key: set `encryption_keys` to keep or read credentials",
    ),
    (
        EncryptionKeyError("k1"),
        "what is stored is under the encryption key 'k1', which isn't at hand",
    ),
    (
        ErasedError("acme"),
        "what this concerns was erased from tenant 'acme': nothing more is written of it",
    ),
    (
        ErasedError("acme", "ada"),
        "a user whom this concerns was erased from tenant 'acme': nothing more is written of it",
    ),
    (LockLostError("nightly"), "nightly"),
    (LockNotAcquiredError("not in time"), "not in time"),
]
KINDS = {
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, RepositoryError)
}


@pytest.mark.parametrize(("error", "says"), SAID)
def test_an_error_says_what_was_asked_and_what_was_wrong(error: RepositoryError, says: str) -> None:
    """From its own fields, the same everywhere."""
    assert str(error) == says


@pytest.mark.parametrize("error", [error for error, _ in SAID])
def test_an_error_survives_copies_and_pickles(error: RepositoryError) -> None:
    """With its type, its text and its fields."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), vars(again)) == (str(error), vars(error))


def test_every_error_is_in_the_tables_above() -> None:
    """None was forgotten."""
    assert {type(error) for error, _ in SAID} | {RepositoryError} == KINDS


def test_only_what_may_succeed_unchanged_is_retryable() -> None:
    """A write whose outcome is unknown is not: it may have happened."""
    assert {kind for kind in KINDS if kind.retryable} == {
        TransactionError,
        StoreUnavailableError,
        StoreTimeoutError,
        LockNotAcquiredError,
    }


def test_errors_are_also_the_standard_librarys_where_it_has_one() -> None:
    """So that callers who know nothing of repositories can catch them."""
    assert issubclass(EntityNotFoundError, LookupError)
    assert issubclass(InvalidQueryError, ValueError)
    assert not any(issubclass(kind, OSError) for kind in KINDS)


def test_every_error_is_documented() -> None:
    """By more than its base's words."""
    assert [kind.__name__ for kind in KINDS if "__doc__" not in vars(kind)] == []
