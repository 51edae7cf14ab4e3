"""The database's form: collections, their validators and indexes, brought to what is declared.

Nothing is recorded: the state is what is there, compared with `collections.every`.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from collections.abc import Collection as Several
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import attrs
from pymongo.errors import OperationFailure

from adapters.mongo.collections import Declared, every
from adapters.mongo.driver import Client, MongoOptions
from adapters.mongo.errors import DuplicateKey, failed
from adapters.mongo.indexes import EXPIRY, described
from ports.errors import RepositoryError

_ATTEMPTS = 5
_DONE_BY_ANOTHER = {26, 27, 48}
"""NamespaceNotFound, IndexNotFound, NamespaceExists: what was to be made or dropped, is."""
_MET_ANOTHER = {112, 276, 12587}
"""WriteConflict, IndexBuildAborted, BackgroundOperationInProgressForNamespace: two did it at once,
and must look again."""
_SAME_KEYS = {85, 86}
"""IndexOptionsConflict, IndexKeySpecsConflict."""
_MANY = 1_000
_STRICT = {"validationLevel": "strict", "validationAction": "error"}
_MAJORITY = {"writeConcern": {"w": "majority"}}
_PRIMARY_KEY = "_id_"


@attrs.frozen
class MigrationState:
    """`current`: a digest of the form that the database has, None if it has none of it. `pending`:
    what it lacks or has otherwise."""

    current: str | None
    pending: tuple[str, ...]


@attrs.frozen
class Difference:
    """Something that the database has otherwise: None means that it isn't there at all."""

    name: str
    expected: str | None
    actual: str | None


@attrs.frozen
class Form:
    """Of each collection that is there: its options and its indexes' definitions, by name; and what
    is declared."""

    declared: Sequence[Declared]
    options: Mapping[str, Mapping[str, Any]]
    indexes: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def state(self) -> MigrationState:
        """How far it is what is declared."""
        pending = [found.name for found in self.differences if found.expected is not None]
        told = [(found.name, found.actual) for found in self.differences]
        declared = [_told(each) for each in self.declared]
        digest = blake2b(json.dumps([declared, told]).encode(), digest_size=4).hexdigest()
        return MigrationState(digest if self.options else None, tuple(pending))

    @property
    def differences(self) -> list[Difference]:
        """All that isn't as declared, what others added to our collections included."""
        return [found for each in self.declared for found in self._of(each)]

    def _of(self, collection: Declared) -> list[Difference]:
        name = collection.name
        options = self.options.get(name)
        if options is None:
            return [Difference(f"collection {name}", "there", None)]
        found: list[Difference] = []
        expected, actual = _checks(collection), _checks_of(options)
        if expected != actual:
            found.append(Difference(f"validator {name}", _digest(expected), _digest(actual)))
        declared = {each.name: described(each.definition()) for each in collection.indexes}
        there = {
            index: described(definition)
            for index, definition in self.indexes.get(name, {}).items()
            if index != _PRIMARY_KEY
        }
        found += [
            Difference(f"index {name}.{index}", declared.get(index), there.get(index))
            for index in sorted(declared.keys() | there.keys())
            if declared.get(index) != there.get(index) and index not in collection.retired
        ]
        found += [
            Difference(f"index {name}.{index}", "gone", there[index])
            for index in sorted(collection.retired & there.keys())
        ]
        return found


def _checks(collection: Declared) -> dict[str, Any]:
    return {"validator": collection.validator, **_STRICT}


def _checks_of(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options.get(name) for name in ("validator", *_STRICT)}


def _digest(checks: Mapping[str, Any]) -> str | None:
    if checks["validator"] is None:
        return None
    text = json.dumps(checks, sort_keys=True, default=repr)
    return f"of digest {blake2b(text.encode(), digest_size=4).hexdigest()}"


def _told(collection: Declared) -> list[Any]:
    indexes = [described(index.definition()) for index in collection.indexes]
    return [collection.name, _digest(_checks(collection)), indexes]


async def migrate(
    url: str, *, retention: timedelta | None = None, deadline: float = 60.0
) -> MigrationState:
    """Bring the database to the declared form; what it was before, and what was done.

    `retention`: how long analytics events are kept, None for ever. Once it is shorter than it was,
    the server removes what is older.

    Several processes may call it at once. Collections and indexes that are missing are made, one
    that has another definition is dropped and built anew, validators are replaced; indexes that
    aren't ours are left alone. Building an index on many documents takes its time, up to `deadline`
    seconds for each collection; where that passed, the server goes on, and it may be called again.

    Raises:
        StoreUnavailableError: if the database can't be reached.
        RepositoryError: if an index can't be built, since what it makes unique isn't, or another
            of the same keys is in its way.
    """
    async with connected(url, deadline) as server:
        declared = every(retention)
        form = await server.form(declared)
        before = form.state
        for _ in range(_ATTEMPTS):
            if not form.state.pending:
                return before
            for collection in declared:
                await server.bring(collection, form)
            form = await server.form(declared)
    if form.state.pending:
        raise RepositoryError(f"another process undoes {', '.join(form.state.pending)}")
    return before


async def state(
    url: str, *, retention: timedelta | None = None, deadline: float = 10.0
) -> MigrationState:
    """What the database lacks of the declared form; it is left as it is.

    Raises:
        StoreUnavailableError: if the database can't be reached.
    """
    async with connected(url, deadline) as server:
        return (await server.form(every(retention))).state


@asynccontextmanager
async def connected(url: str, deadline: float) -> "AsyncIterator[Server]":
    """A database, for a while."""
    client = Client.open(url, MongoOptions(driver="pymongo", deadline=deadline, max_size=2))
    try:
        yield Server(client)
    finally:
        await client.close()


@attrs.frozen
class Server:
    """What is asked of a database as a whole."""

    _client: Client

    async def form(self, declared: Sequence[Declared]) -> Form:
        """The form that it has now. A round trip for each collection, and one for all."""
        names = [each.name for each in declared]
        listed = await self.command(
            {
                "listCollections": 1,
                "filter": {"name": {"$in": names}},
                "cursor": {"batchSize": _MANY},
            }
        )
        options = {each["name"]: each.get("options", {}) for each in listed["cursor"]["firstBatch"]}
        indexes = {}
        for name in options:
            known = await self.command(
                {"listIndexes": name, "cursor": {"batchSize": _MANY}}, tolerated=_DONE_BY_ANOTHER
            )
            batch = known.get("cursor", {}).get("firstBatch", ())
            indexes[name] = {each["name"]: each for each in batch}
        return Form(declared, options, indexes)

    async def bring(self, collection: Declared, form: Form) -> None:
        """Make of a collection what is declared, given what it is."""
        name = collection.name
        options = form.options.get(name)
        if options is None:
            await self.change({"create": name, **_checks(collection)})
        elif _checks_of(options) != _checks(collection):
            await self.change({"collMod": name, **_checks(collection)})
        there = form.indexes.get(name, {})
        wanted: list[dict[str, Any]] = []
        for index in collection.indexes:
            definition = index.definition()
            standing = there.get(index.name)
            if standing is not None and described(standing) == described(definition):
                continue
            if standing is not None and _expires_otherwise(standing, definition):
                changed = {"name": index.name, EXPIRY: definition[EXPIRY]}
                await self.change({"collMod": name, "index": changed})
                continue
            if standing is not None:
                await self.change({"dropIndexes": name, "index": index.name})
            wanted.append(definition)
        for gone in sorted(collection.retired & there.keys()):
            await self.change({"dropIndexes": name, "index": gone})
        if wanted:
            await self.change({"createIndexes": name, "indexes": wanted})

    async def change(self, command: Mapping[str, Any]) -> None:
        """A command that changes the form. What another process did meanwhile is well."""
        await self.command({**command, **_MAJORITY}, tolerated=_DONE_BY_ANOTHER | _MET_ANOTHER)

    async def command(
        self, command: Mapping[str, Any], *, tolerated: Several[int] = ()
    ) -> Mapping[str, Any]:
        """The answer to a command, or nothing for an error that is tolerated."""
        writing, seconds = "writeConcern" in command, self._client.options.deadline
        try:
            answer: Mapping[str, Any] = await self._client.alone(
                writing, seconds, self._client.command, dict(command)
            )
            return answer
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            if isinstance(error, OperationFailure):
                if error.code in tolerated:
                    return {}
                if error.code in _SAME_KEYS:
                    error = RepositoryError(
                        f"an index of {command.get('createIndexes')} that isn't ours has the keys"
                        " of one that is; drop it"
                    )
            failure = failed(error, writing=writing)
        if isinstance(failure, DuplicateKey):
            failure = RepositoryError(
                f"what {', '.join(failure.key)} of {command.get('createIndexes')} must make unique"
                " isn't"
            )
        raise failure


def _expires_otherwise(standing: Mapping[str, Any], definition: Mapping[str, Any]) -> bool:
    """Whether an index needn't be built anew to be what it should."""
    if EXPIRY not in standing or EXPIRY not in definition:
        return False
    return described({**standing, EXPIRY: definition[EXPIRY]}) == described(definition)
