"""The repository primitives over a collection; an aggregate adds only what is its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from adapters.mongo.executor import Document, Executor
from adapters.mongo.reading import MongoReading, writing
from domain.identity import Entity
from domain.rules import checked, restored
from ports.criteria import Criteria
from ports.errors import ConflictError, EntityNotFoundError
from ports.repository import Repository

E = TypeVar("E", bound=Entity)


class MongoRepository(MongoReading[E], Repository[E]):
    """Every primitive of `Repository`, for any collection."""

    @writing
    async def _insert(self, entities: Sequence[E]) -> None:
        documents = [self._mapper.document(entity) for entity in entities]
        if len(documents) == 1:
            await self._executor.insert(self._name, documents)
        else:

            async def inserted(executor: Executor) -> None:
                await executor.insert(self._name, documents)
                # It may take longer than other writes, and than an erasure waits for those.
                await self._admit(entities)

            seconds = self._executor.seconds_to_insert(len(documents))
            await self._executor.atomically(inserted, seconds=seconds)

    @writing
    async def _replace(self, entity: E, now: datetime) -> E:
        schema, mapper = self.schema, self._mapper
        updated_at = self._stamp(now)
        changes = mapper.document(entity)
        for name in ("_id", "tenant_id", *self._returned):
            del changes[name]
        changes["updated_at"] = mapper.changes({"updated_at": updated_at})["updated_at"]
        changes["revision"] = entity.revision + 1
        wanted: Document = {"_id": self._key(entity.id), "revision": entity.revision}
        if schema.lifecycle is not None:
            status: Any = entity
            wanted["status"] = {
                "$in": [one.value for one in schema.lifecycle.before(status.status)]
            }
        while (
            stored := await self._executor.find_one_and_update(
                self._name, wanted, {"$set": changes}, projection=self._kept
            )
        ) is None:
            await self._refused(entity)
        fields = {**vars(entity), "updated_at": updated_at, "revision": entity.revision + 1}
        for name in self._returned:
            fields[name] = mapper.stored(name, stored[name])
        changed: E = restored(schema.entity, fields)
        return changed

    @property
    def _returned(self) -> tuple[str, ...]:
        """What an update leaves as the store has it."""
        return ("created_at", *self.schema.maintained)

    @property
    def _kept(self) -> dict[str, int]:
        return dict.fromkeys(self._returned, 1)

    async def _refused(self, entity: E) -> None:
        """Raise why a compare-and-set changed nothing; return if that is no longer so."""
        standing = await self._standing(entity.id)
        revision = int(standing["revision"])  # a large one is a subclass of the driver's
        if revision != entity.revision:
            raise ConflictError(self.schema.name, entity.id, entity.revision, revision)
        if (lifecycle := self.schema.lifecycle) is not None:
            current: Any = entity
            lifecycle.check(type(current.status)(standing["status"]), current.status)

    async def _standing(self, id: Any) -> Document:
        standing = await self._executor.find_one(
            self._name, {"_id": self._key(id)}, projection={"revision": 1, "status": 1}
        )
        if standing is None:
            raise EntityNotFoundError(self.schema.name, id)
        return standing

    @writing
    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> E:
        wanted: Document = {"_id": self._key(id)}
        if expected_revision is not None:
            wanted["revision"] = expected_revision
        setting = self._setting(changes, now)
        while (
            patched := await self._executor.find_one_and_update(
                self._name, wanted, setting, projection=self._shown
            )
        ) is None:
            await self._unexpected(id, expected_revision)
        return self._entity(patched)

    async def _unexpected(self, id: Any, expected_revision: int | None) -> None:
        """Raise why there was nothing at the revision; return if that is no longer so."""
        revision = int((await self._standing(id))["revision"])
        if expected_revision is not None and revision != expected_revision:
            raise ConflictError(self.schema.name, id, expected_revision, revision)

    @writing
    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        wanted: Document = {"_id": self._key(id)}
        if expected_revision is not None:
            wanted["revision"] = expected_revision
        while not await self._removed(id, wanted):
            if expected_revision is None:
                return False
            try:
                await self._unexpected(id, expected_revision)
            except EntityNotFoundError:
                return False
        return True

    async def _removed(self, id: Any, wanted: Document) -> int:
        """Delete what is wanted; an aggregate also deletes what belongs to it alone."""
        return await self._executor.delete_one(self._name, wanted)

    @writing
    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int:
        wanted, setting = self._filter(criteria), self._setting(changes, now)
        return await self._executor.atomically(
            lambda executor: executor.update_many(self._name, wanted, setting)
        )

    @writing
    async def _delete_where(self, criteria: Criteria) -> int:
        wanted = self._filter(criteria)
        return await self._executor.atomically(
            lambda executor: self._removed_where(executor, wanted)
        )

    async def _removed_where(self, executor: Executor, wanted: Document) -> int:
        """Delete all that is wanted; an aggregate also deletes what belongs to it alone."""
        return await executor.delete_many(self._name, wanted)

    def _setting(self, changes: Mapping[str, Any], now: datetime) -> Document:
        changed = self._mapper.changes({**changes, "updated_at": self._stamp(now)}, self._tenant)
        return {"$set": changed, "$inc": {"revision": 1}}

    def _stamp(self, now: datetime) -> datetime:
        kept: datetime = checked(self.schema.entity, "updated_at", now)
        return kept
