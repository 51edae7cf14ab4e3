"""Where operations run: each by itself, or within a unit's transaction."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

from pymongo.errors import BulkWriteError, DuplicateKeyError

from adapters.mongo.driver import Call, Client
from adapters.mongo.errors import refused_as_duplicates

T = TypeVar("T")
Document: TypeAlias = dict[str, Any]
Sort: TypeAlias = Sequence[tuple[str, int]]

_FIRST_BATCH = 101
"""What the server sends at first unless it is told otherwise."""
_SECONDS_PER_DOCUMENT = 0.002


class Executor(ABC):
    """Runs operations within the deadline, and raises what a port may raise.

    Beside that: `errors.DuplicateKey` and `errors.Undecodable`, for the repository. What only reads
    is repeated if its connection broke; what writes one document is, too, in such a way that it
    happens once at most (the driver's retryable writes). One round trip each, unless it says
    otherwise.
    """

    commits: ClassVar[bool] = True
    """Whether each operation commits by itself: in a transaction, MongoDB has no `$unionWith`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.deadline = client.options.deadline
        """Seconds that an operation may take."""

    async def find(
        self,
        collection: str,
        filter: Document,
        *,
        projection: Document | None = None,
        sort: Sort | None = None,
        limit: int = 0,
        skip: int = 0,
    ) -> list[Document]:
        """The documents that match, in memory together; all, if `limit` is 0.

        Without a limit, one round trip for the first 101 and one for every further 16 MiB.
        """
        found: list[Document] = await self._run(
            False,
            collection,
            self._client.find,
            collection,
            filter=filter,
            projection=projection,
            sort=sort,
            limit=limit,
            skip=skip,
            batch_size=limit if limit > _FIRST_BATCH else 0,
        )
        return found

    async def find_one(
        self, collection: str, filter: Document, *, projection: Document | None = None
    ) -> Document | None:
        """A document that matches."""
        found: Document | None = await self._run(
            False, collection, self._client.collection(collection).find_one, filter, projection
        )
        return found

    async def aggregate(self, collection: str, pipeline: Sequence[Document]) -> list[Document]:
        """What a pipeline that only reads gives, in memory together."""
        found: list[Document] = await self._run(
            False, collection, self._client.aggregate, collection, pipeline=pipeline
        )
        return found

    async def count(self, collection: str, filter: Document) -> int:
        """How many documents match."""
        number: int = await self._run(
            False, collection, self._client.snapshot(collection).count_documents, filter
        )
        return number

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        """Add documents, each of which has its `_id`; several are not atomic by themselves: those
        before the one that is refused stay.

        Raises:
            DuplicateKey: if a unique index refuses one.
        """
        if len(documents) == 1:
            await self._run(
                True, collection, self._client.collection(collection).insert_one, documents[0]
            )
        elif documents:
            await self._run(
                True,
                collection,
                self._client.collection(collection).insert_many,
                documents,
                seconds=self.seconds_to_insert(len(documents)),
            )

    async def insert_new(self, collection: str, documents: Sequence[Document]) -> list[int]:
        """Add those documents of which no unique index has the keys, each by itself; the places of
        the others. Not within a unit of work.
        """
        into = self._client.collection(collection)

        async def inserted() -> list[int]:
            try:
                if len(documents) == 1:
                    await into.insert_one(documents[0])
                else:
                    await into.insert_many(documents, ordered=False)
            except DuplicateKeyError:
                return [0]
            except BulkWriteError as error:
                refused = refused_as_duplicates(error)
                if refused is None:
                    raise
                return refused
            return []

        places: list[int] = await self._run(
            True, collection, inserted, seconds=self.seconds_to_insert(len(documents))
        )
        return places

    def seconds_to_insert(self, documents: int) -> float:
        """What inserting so many documents may take, the deadline included."""
        return self.deadline + documents * _SECONDS_PER_DOCUMENT

    async def find_one_and_update(
        self,
        collection: str,
        filter: Document,
        update: Document | Sequence[Document],
        *,
        projection: Document | None = None,
    ) -> Document | None:
        """Change a document that matches, atomically; it as it stands afterwards.

        Raises:
            DuplicateKey: if a unique index refuses it.
        """
        found: Document | None = await self._run(
            True,
            collection,
            self._client.collection(collection).find_one_and_update,
            filter,
            update,
            projection=projection,
            return_document=True,
        )
        return found

    async def update_many(
        self, collection: str, filter: Document, update: Document | Sequence[Document]
    ) -> int:
        """Change every document that matches, and how many did; each atomically, not all together.

        Raises:
            DuplicateKey: if a unique index refuses one.
        """
        done = await self._run(
            True, collection, self._client.collection(collection).update_many, filter, update
        )
        return int(done.matched_count)

    async def delete_one(self, collection: str, filter: Document) -> int:
        """Delete a document that matches: 1, or 0 if none does."""
        done = await self._run(
            True, collection, self._client.collection(collection).delete_one, filter
        )
        return int(done.deleted_count)

    async def delete_many(self, collection: str, filter: Document) -> int:
        """Delete every document that matches, and how many did; not all together."""
        done = await self._run(
            True, collection, self._client.collection(collection).delete_many, filter
        )
        return int(done.deleted_count)

    @abstractmethod
    async def atomically(
        self, body: "Callable[[Executor], Awaitable[T]]", *, seconds: float | None = None
    ) -> T:
        """What `body` does with the executor that it is given happens together or not at all.

        It may be run several times: where another transaction came first, again from its beginning,
        until the deadline or `seconds`. Within a unit of work it is part of it, and is run once.

        Raises:
            StoreTimeoutError, StoreUnavailableError: and nothing of it is kept.
            OutcomeUnknownError: if the commit's acknowledgement was lost.
        """

    @abstractmethod
    def doom(self) -> None:
        """A writing operation failed: within a unit of work, nothing can follow it."""

    @abstractmethod
    async def _run(
        self,
        writing: bool,
        collection: str,
        call: Call,
        *args: Any,
        seconds: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """The driver's answer to one operation."""
