"""The repository primitives over tables in memory; an aggregate adds only what is its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from adapters.memory.audit import record
from adapters.memory.reading import MemoryReading
from adapters.memory.tables import Table, Transaction
from domain.identity import Entity
from domain.rules import checked, restored
from ports.criteria import Criteria
from ports.errors import ConflictError, EntityNotFoundError, RepositoryError
from ports.repository import Repository
from ports.schema import EntitySchema

E = TypeVar("E", bound=Entity)
_LAST_NUMBER = 2**63 - 1


def next_number(number: int, by: int = 1) -> int:
    """The number raised, if it can be: whole numbers have 64 bits."""
    if number > _LAST_NUMBER - by:
        raise RepositoryError("a number of the entity is at its end and can't be raised")
    return number + by


def entity_table(schema: EntitySchema[Any]) -> Table:
    """The table that a `MemoryRepository` of this schema keeps its entities in."""
    return Table(
        schema.name, key=lambda row: row.id, unique=schema.unique, entities=True, ordered=True
    )


class MemoryRepository(MemoryReading[E], Repository[E]):
    """Every primitive of `Repository`, for any schema."""

    @classmethod
    def tables(cls) -> dict[str, Table]:
        """The tables that it needs, empty; an aggregate adds those of what belongs to an entity."""
        return {cls.schema.name: entity_table(cls.schema)}

    async def _insert(self, entities: Sequence[E]) -> None:
        with self._session.writing() as transaction:
            for entity in entities:
                transaction.insert(self._name, entity)
                self._record(transaction, None, entity)

    async def _replace(self, entity: E, now: datetime) -> E:
        with self._session.writing() as transaction:
            return self._replaced(transaction, entity, now)

    def _replaced(self, transaction: Transaction, entity: E, now: datetime) -> E:
        stored = self._expected(transaction, entity.id, entity.revision)
        if self.schema.lifecycle is not None:
            status: Any = entity
            self.schema.lifecycle.check(stored.status, status.status)
        kept = {name: getattr(stored, name) for name in self.schema.maintained}
        changed = self._raised({**vars(entity), **kept, "created_at": stored.created_at}, now)
        transaction.replace(self._name, changed)
        self._record(transaction, stored, changed)
        return changed

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> E:
        with self._session.writing() as transaction:
            stored = self._expected(transaction, id, expected_revision)
            changed = self._raised({**vars(stored), **changes}, now)
            transaction.replace(self._name, changed)
            self._record(transaction, stored, changed)
            return changed

    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        with self._session.writing() as transaction:
            if transaction.get(self._name, id) is None:
                return False
            stored = self._expected(transaction, id, expected_revision)
            self._forget(transaction, id)
            self._record(transaction, stored, None)
            return True

    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int:
        with self._session.writing() as transaction:
            matches = list(self._matching(transaction, criteria))
            for stored in matches:
                changed = self._raised({**vars(stored), **changes}, now)
                transaction.replace(self._name, changed)
                self._record(transaction, stored, changed)
            return len(matches)

    async def _delete_where(self, criteria: Criteria) -> int:
        with self._session.writing() as transaction:
            matches = list(self._matching(transaction, criteria))
            for stored in matches:
                self._forget(transaction, stored.id)
                self._record(transaction, stored, None)
            return len(matches)

    def _forget(self, transaction: Transaction, id: Any) -> None:
        """Remove an entity; an aggregate also removes what belongs to it alone."""
        transaction.remove(self._name, id)

    def _record(self, transaction: Transaction, before: E | None, after: E | None) -> None:
        """Write what was changed into the trail and the outbox, if its store has them."""
        record(transaction, self._context, self.schema, before, after)

    def _expected(self, transaction: Transaction, id: Any, revision: int | None) -> Any:
        stored = transaction.get(self._name, id)
        if stored is None:
            raise EntityNotFoundError(self._name, id)
        if revision is not None and stored.revision != revision:
            raise ConflictError(self._name, id, revision, stored.revision)
        return stored

    def _raised(self, fields: dict[str, Any], now: datetime) -> E:
        fields["updated_at"] = checked(self.schema.entity, "updated_at", now)
        fields["revision"] = next_number(fields["revision"])
        raised: E = restored(self.schema.entity, fields)
        return raised
