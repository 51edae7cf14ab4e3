"""What MongoDB and its drivers report, as what a port may raise: by code, label or class, not text.

Nothing that is returned here carries a message, a detail or a value of theirs; raise it outside the
`except` block, or the driver's error, which quotes documents, hangs on to it as its context.

Codes: https://github.com/mongodb/mongo/blob/r6.0.5/src/mongo/base/error_codes.yml
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from bson.errors import BSONError, InvalidBSON
from pymongo import errors as driver

from ports.errors import (
    InvalidQueryError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)

_TRANSIENT = "TransientTransactionError"
UNKNOWN_COMMIT = "UnknownTransactionCommitResult"

_DUPLICATE = {11000, 11001, 12582}
_REFUSED = {11, 13, 18, 33, 8000}
"""UserNotFound, Unauthorized, AuthenticationFailed, ProtocolError of SASL, Atlas' own."""
_LATE = {50, 202, 262, 290}
"""MaxTimeMSExpired, NetworkInterfaceExceededTimeLimit, ExceededTimeLimit,
TransactionExceededLifetimeLimitSeconds."""
_COLLIDED = {24, 112, 225, 239, 244, 246, 251}
"""LockTimeout, WriteConflict, TransactionTooOld, SnapshotTooOld, TransactionAborted,
SnapshotUnavailable, NoSuchTransaction."""
_GONE = {6, 7, 89, 91, 134, 189, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436}
"""Hosts, networks and members that come, go, step down or shut down."""
_EXHAUSTED = {365, 462}
"""TemporarilyUnavailable, IngressRequestRateLimitExceeded."""
_TOO_LARGE = {10334, 16493, 17280, 17419, 17420}
_TOO_LARGE_TOGETHER = {257, 388}
"""TransactionTooLarge, TransactionTooLargeForCache."""
_INVALID_DOCUMENT = 121
_NOT_MIGRATED = {26, 27, 73, 263, 17007, 17008}
"""NamespaceNotFound, IndexNotFound, InvalidNamespace, OperationNotSupportedInTransaction (when it
would create a collection), a hint that names no index."""
_NO_REPLICA_SET = {20}
_PATTERN = {51091, 51109, 51111, 51156}
"""A pattern that doesn't compile; one that was given up while it ran."""


class DuplicateKey(Exception):
    """A unique index refused a document. For the repository, which knows what it stands for.

    `key`: the index's fields, in their order; empty if the server didn't say.
    """

    def __init__(self, collection: str, key: tuple[str, ...]) -> None:
        self.collection = collection
        self.key = key
        super().__init__(collection, key)


class Undecodable(Exception):
    """The driver can't read a value that the server sent. For the repository, to name the type."""


def not_opened(error: Exception) -> RepositoryError:
    """When a client could not even be made for a URL."""
    return StoreUnavailableError(
        f"the URL, or an option in it, isn't one for MongoDB ({type(error).__name__})"
    )


def failed(error: Exception, *, writing: bool, collection: str = "") -> Exception:
    """When an operation failed; `writing` if it commits by itself what it changes."""
    if isinstance(error, RepositoryError):
        return error
    if isinstance(error, driver.BulkWriteError):
        return _bulk(error, writing, collection)
    if isinstance(error, driver.NotPrimaryError):
        return lost(writing=writing)
    if isinstance(error, driver.OperationFailure):
        return _reported(error, writing, collection)
    if isinstance(error, driver.ConnectionFailure):
        return _cut_off(error, writing)
    if isinstance(error, driver.DocumentTooLarge):
        return too_large()
    if isinstance(error, driver.InvalidOperation):
        return StoreUnavailableError("the store is closed")
    if isinstance(error, driver.ConfigurationError):
        return not_opened(error)
    if isinstance(error, TimeoutError):
        return late(writing=writing)
    if isinstance(error, OSError):
        return lost(writing=writing)
    if isinstance(error, InvalidBSON):
        return Undecodable()
    if isinstance(error, BSONError | OverflowError | UnicodeError):
        return RepositoryError(f"a value can't be stored ({type(error).__name__})")
    if type(error).__module__.startswith(("pymongo.", "motor.", "bson.", "gridfs.")):
        return RepositoryError(f"the MongoDB driver failed ({type(error).__name__})")
    return error


def unknown_commit(error: Exception) -> bool:
    """Whether a commit that failed so may have happened, and may be sent again."""
    return isinstance(error, driver.PyMongoError) and error.has_error_label(UNKNOWN_COMMIT)


def unanswered(operation: "asyncio.Future[Any] | None") -> bool:
    """Whether an operation that is over may still be under way to the server."""
    if operation is None or not operation.done():
        return False
    return operation.cancelled() or isinstance(operation.exception(), driver.ConnectionFailure)


def lost(*, writing: bool) -> RepositoryError:
    """When the connection, or the primary, went before the answer came."""
    if writing:
        return OutcomeUnknownError("the connection to MongoDB broke before it acknowledged")
    return StoreUnavailableError("the connection to MongoDB broke")


def late(*, writing: bool) -> RepositoryError:
    """When the deadline passed before the answer came."""
    if writing:
        return OutcomeUnknownError("the deadline passed before MongoDB acknowledged")
    return StoreTimeoutError("the deadline passed")


def too_large() -> RepositoryError:
    """When a document is beyond what MongoDB stores (16 MiB)."""
    return RepositoryError("the document is too large for MongoDB, which takes 16 MiB")


def _cut_off(error: driver.ConnectionFailure, writing: bool) -> RepositoryError:
    # The driver raises these two only if its first attempt sent nothing.
    if isinstance(error, driver.ServerSelectionTimeoutError):
        return StoreUnavailableError("no MongoDB primary can be reached")
    if isinstance(error, driver.WaitQueueTimeoutError):
        return StoreTimeoutError("no connection to MongoDB became free within the deadline")
    if isinstance(error, driver.NetworkTimeout):
        return late(writing=writing)
    return lost(writing=writing)


def refused_as_duplicates(error: driver.BulkWriteError) -> list[int] | None:
    """The places of the documents that a unique index refused; None if anything else went wrong."""
    details: Mapping[str, Any] = error.details or {}
    refused = details.get("writeErrors") or ()
    if details.get("writeConcernErrors") or any(
        each.get("code") not in _DUPLICATE for each in refused
    ):
        return None
    return [each["index"] for each in refused]


def _bulk(error: driver.BulkWriteError, writing: bool, collection: str) -> Exception:
    details: Mapping[str, Any] = error.details or {}
    for refused in details.get("writeErrors") or ():
        return _coded(refused.get("code"), refused, writing, collection)
    if error.has_error_label(_TRANSIENT):
        return TransactionError("another transaction came first")
    return lost(writing=writing)


def _reported(error: driver.OperationFailure, writing: bool, collection: str) -> Exception:
    if isinstance(error, driver.WriteConcernError):
        # It is done on the primary; whether a majority has it isn't known.
        return late(writing=writing)
    return _coded(
        error.code, error.details or {}, writing, collection, error.has_error_label(_TRANSIENT)
    )


def _coded(
    code: int | None,
    details: Mapping[str, Any],
    writing: bool,
    collection: str,
    transient: bool = False,
) -> Exception:
    if code in _DUPLICATE:
        return DuplicateKey(collection, tuple(details.get("keyPattern") or ()))
    if code in _COLLIDED:
        return TransactionError(f"another operation came first (code {code})")
    if code in _LATE:
        return late(writing=writing)
    if code in _GONE:
        return lost(writing=writing)
    if transient:
        return TransactionError(f"the transaction can't go on (code {code})")
    if code in _REFUSED:
        return StoreUnavailableError(f"MongoDB refused this user (code {code})")
    if code in _EXHAUSTED:
        return StoreUnavailableError(f"MongoDB can't do it now (code {code})")
    return _refused(code)


def _refused(code: int | None) -> RepositoryError:
    if code == _INVALID_DOCUMENT:
        return RepositoryError("the collection's validation refused the document (code 121)")
    if code in _TOO_LARGE:
        return too_large()
    if code in _TOO_LARGE_TOGETHER:
        return RepositoryError(f"the unit of work is too large for MongoDB (code {code})")
    if code in _PATTERN:
        return InvalidQueryError("MongoDB doesn't take this pattern")
    if code in _NOT_MIGRATED:
        return RepositoryError(
            f"the database isn't what this version expects (code {code}): migrate it"
        )
    if code in _NO_REPLICA_SET:
        return RepositoryError(
            f"MongoDB must be a replica set, of one member at least (code {code})"
        )
    return RepositoryError(f"MongoDB refused the operation (code {code})")
