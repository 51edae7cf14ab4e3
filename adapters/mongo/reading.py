"""Reading collections: the half that repositories and logs have in common."""

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from adapters.mongo.collections import Collection
from adapters.mongo.criteria import matching
from adapters.mongo.errors import DuplicateKey
from adapters.mongo.executor import Document, Executor
from adapters.mongo.keyset import page
from domain.identity import Entry
from ports.criteria import Criteria
from ports.errors import DuplicateEntityError
from ports.reading import Context, Reading, Selection

E = TypeVar("E", bound=Entry)
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="MongoReading[Any]")


def writing(
    method: "Callable[Concatenate[R, P], Coroutine[Any, Any, T]]",
) -> "Callable[Concatenate[R, P], Coroutine[Any, Any, T]]":
    """A primitive that writes: when it raises, the unit of work that it is part of is doomed."""

    @wraps(method)
    async def guarded(self: R, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(self, *args, **kwargs)
        except DuplicateKey as taken:
            failure = DuplicateEntityError(self.schema.name, self.collection.unique_key(taken))
        except BaseException:
            self._executor.doom()
            raise
        self._executor.doom()
        raise failure

    return guarded  # type: ignore[return-value]  # the same but for what wraps adds


class MongoReading(Reading[E]):
    """Every primitive of `Reading`, for any collection.

    An entity's key holds its tenant, so that whatever is found by key is the tenant's own.
    """

    collection: ClassVar[Collection]

    def __init__(self, context: Context, executor: Executor) -> None:
        super().__init__(context)
        self._executor = executor
        self._tenant = context.tenant
        self._name = self.collection.name
        self._mapper = self.collection.mapper
        self._shown = self.collection.shown

    async def _get(self, id: Any) -> E | None:
        found = await self._executor.find_one(
            self._name, {"_id": self._key(id)}, projection=self._shown
        )
        return None if found is None else self._entity(found)

    async def _get_many(self, ids: Sequence[Any]) -> Sequence[E]:
        keys = [self._key(id) for id in ids]
        return self._entities(
            await self._executor.find(self._name, {"_id": {"$in": keys}}, projection=self._shown)
        )

    async def _exists(self, id: Any) -> bool:
        found = await self._executor.find_one(
            self._name, {"_id": self._key(id)}, projection={"_id": 1}
        )
        return found is not None

    async def _count(self, criteria: Criteria) -> int:
        return await self._executor.count(self._name, self._filter(criteria))

    async def _select(self, selection: Selection) -> Sequence[E]:
        query = page(self._tenant, selection, self.collection)
        if query.pipeline is not None and self._executor.commits:
            return self._entities(await self._executor.aggregate(self._name, query.pipeline))
        if query.pipeline is not None:
            found: list[Document] = []
            for part in query.parts:
                if len(found) < query.skip + query.limit:
                    found += await self._executor.aggregate(self._name, part)
            return self._entities(found[query.skip : query.skip + query.limit])
        return self._entities(
            await self._executor.find(
                self._name,
                query.filter,
                projection=self._shown,
                sort=query.sort,
                limit=query.limit,
                skip=query.skip,
            )
        )

    def _key(self, id: Any) -> str:
        return self._mapper.key(self._tenant, id)

    def _filter(self, criteria: Criteria) -> Document:
        wanted = matching(criteria, self._mapper, self._tenant)
        return {"tenant_id": self._tenant, "$and": [wanted]} if wanted else self._own

    @property
    def _own(self) -> Document:
        return {"tenant_id": self._tenant}

    def _entity(self, document: Document) -> E:
        entity: E = self._mapper.restored(document)
        return entity

    def _entities(self, documents: Sequence[Document]) -> list[E]:
        entities: list[E] = self._mapper.all_restored(documents)
        return entities
