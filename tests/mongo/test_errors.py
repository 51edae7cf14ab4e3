"""What MongoDB and its drivers report, told as the ports' errors."""

import asyncio
from collections.abc import Callable

import pytest
from bson.errors import InvalidBSON
from pymongo import errors as of_driver

from adapters.mongo.driver import DriverName
from adapters.mongo.errors import DuplicateKey, Undecodable, failed
from ports.errors import (
    InvalidQueryError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)
from tests.mongo.opening import bare, opened

_SECRET = "a-secret-value"


def _reported(
    code: int, *labels: str, kind: type[of_driver.OperationFailure] = of_driver.OperationFailure
) -> of_driver.OperationFailure:
    return kind(_SECRET, code, {"code": code, "errmsg": _SECRET, "errorLabels": list(labels)})


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (_reported(112), TransactionError, TransactionError),
        (_reported(251, "TransientTransactionError"), TransactionError, TransactionError),
        (_reported(246), TransactionError, TransactionError),
        (_reported(50), StoreTimeoutError, OutcomeUnknownError),
        (_reported(262), StoreTimeoutError, OutcomeUnknownError),
        (_reported(290), StoreTimeoutError, OutcomeUnknownError),
        (_reported(91), StoreUnavailableError, OutcomeUnknownError),
        (_reported(11600), StoreUnavailableError, OutcomeUnknownError),
        (of_driver.NotPrimaryError(_SECRET), StoreUnavailableError, OutcomeUnknownError),
        (of_driver.AutoReconnect(_SECRET), StoreUnavailableError, OutcomeUnknownError),
        (of_driver.NetworkTimeout(_SECRET), StoreTimeoutError, OutcomeUnknownError),
        (
            of_driver.ServerSelectionTimeoutError(_SECRET),
            StoreUnavailableError,
            StoreUnavailableError,
        ),
        (of_driver.WaitQueueTimeoutError(_SECRET), StoreTimeoutError, StoreTimeoutError),
        (
            _reported(64, kind=of_driver.WTimeoutError),
            OutcomeUnknownError,
            OutcomeUnknownError,
        ),
        (_reported(18), StoreUnavailableError, StoreUnavailableError),
        (_reported(13), StoreUnavailableError, StoreUnavailableError),
        (_reported(51091), InvalidQueryError, InvalidQueryError),
        (_reported(51156), InvalidQueryError, InvalidQueryError),
        (_reported(4711), RepositoryError, RepositoryError),
        (of_driver.InvalidOperation(_SECRET), StoreUnavailableError, StoreUnavailableError),
        (of_driver.PyMongoError(_SECRET), RepositoryError, RepositoryError),
        (TimeoutError(_SECRET), StoreTimeoutError, OutcomeUnknownError),
        (ConnectionResetError(_SECRET), StoreUnavailableError, OutcomeUnknownError),
        (InvalidBSON(_SECRET), Undecodable, Undecodable),
    ],
    ids=lambda value: getattr(value, "code", None) or getattr(value, "__name__", None),
)
def test_what_is_reported_is_told_by_code_or_class(
    error: Exception, read: type[Exception], write: type[Exception]
) -> None:
    """And without a word of the report."""
    for writing, expected in ((False, read), (True, write)):
        if isinstance(error, of_driver.WTimeoutError) and not writing:
            continue  # only writes have a write concern
        told = failed(error, writing=writing)
        assert type(told) is expected
        assert _SECRET not in str(told)


@pytest.mark.parametrize("code", [257, 388])
def test_what_is_too_much_at_once_is_told(code: int) -> None:
    """By the limit on a transaction, and by that of the server's cache."""
    told = failed(_reported(code), writing=False)
    assert type(told) is RepositoryError
    assert "too large" in str(told)


def test_what_is_no_drivers_error_is_told_as_it_is() -> None:
    """A bug in the caller's arguments isn't the store's fault."""
    bug = TypeError("an int was expected")
    assert failed(bug, writing=True) is bug


def test_a_duplicate_names_its_index_fields(shared: str, driver: DriverName) -> None:
    """In each way to write, in a transaction or not."""

    async def scenario() -> None:
        async with opened(shared, driver) as client, bare(shared) as beside:
            name, single = client.name, client.single
            await beside[name].create_index([("b", 1), ("a", -1)], unique=True)
            await single.insert(name, [{"_id": 1, "a": 1, "b": 1}, {"_id": 2, "a": 2, "b": 1}])
            for attempt in (
                lambda: single.insert(name, [{"a": 1, "b": 1}]),
                lambda: single.insert(name, [{"a": 3, "b": 3}, {"a": 1, "b": 1}]),
                lambda: single.find_one_and_update(name, {"_id": 2}, {"$set": {"a": 1}}),
                lambda: single.update_many(name, {"_id": 2}, {"$set": {"a": 1}}),
                lambda: single.atomically(
                    lambda executor: executor.insert(name, [{"a": 1, "b": 1}])
                ),
            ):
                with pytest.raises(DuplicateKey) as told:
                    await attempt()
                assert (told.value.collection, told.value.key) == (name, ("b", "a"))

    asyncio.run(scenario())


def test_what_the_server_refuses_is_told(shared: str, driver: DriverName) -> None:
    """What it was, what it wasn't, and nothing of the document."""

    async def scenario() -> None:
        async with opened(shared, driver) as client, bare(shared) as beside:
            name, single = client.name, client.single
            await beside.create_collection(name, validator={"n": {"$type": "int"}})
            large = "x" * 9_000_000
            await single.insert(name, [{"_id": 1, "n": 1, "x": large}])
            cases: list[tuple[Callable[[], object], type[Exception], str]] = [
                (lambda: single.insert(name, [{"n": _SECRET}]), RepositoryError, "validation"),
                (
                    lambda: single.insert(name, [{"n": 1}, {"n": _SECRET}]),
                    RepositoryError,
                    "validation",
                ),
                (
                    lambda: single.insert(name, [{"n": 1, "x": large * 2}]),
                    RepositoryError,
                    "too large",
                ),
                (
                    lambda: single.update_many(name, {"_id": 1}, {"$set": {"y": large}}),
                    RepositoryError,
                    "too large",
                ),
                (lambda: single.find(name, {"x": {"$regex": "("}}), InvalidQueryError, "pattern"),
                (
                    lambda: single.find(name, {"x": {"$regex": "x" * 40_000}}),
                    InvalidQueryError,
                    "pattern",
                ),
                (lambda: single.command({"listIndexes": "nowhere"}), RepositoryError, "migrate"),
                (lambda: single.insert(name, [{"n": 2**64}]), RepositoryError, "stored"),
                (lambda: single.insert(name, [{"n": "\ud800"}]), RepositoryError, "stored"),
            ]
            for attempt, expected, word in cases:
                with pytest.raises(expected, match=word) as told:
                    await attempt()  # type: ignore[misc]  # each gives an awaitable
                assert type(told.value) is expected
                error: BaseException | None = told.value
                while error is not None:
                    assert not type(error).__module__.startswith(("pymongo", "bson", "motor"))
                    assert _SECRET not in str(error)
                    error = error.__cause__ or error.__context__

    asyncio.run(scenario())


def test_integers_dates_and_ids_come_back_as_they_are_kept(shared: str, driver: DriverName) -> None:
    """In plain dictionaries."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            document = {"_id": "1", "small": 1, "large": 2**62, "nested": {"a": [1, None, "x"]}}
            await client.single.insert(client.name, [document])
            found = await client.single.find_one(client.name, {"_id": "1"})
            assert found == document
            assert type(found) is dict

    asyncio.run(scenario())
