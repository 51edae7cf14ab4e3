"""The repository primitives over a table; an aggregate adds only what is its own."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from adapters.postgres.errors import ConstraintBroken, Undecodable
from adapters.postgres.executor import Executor, Row
from adapters.postgres.reading import PostgresReading
from adapters.postgres.trail import told, told_of_all
from domain.identity import Entity
from domain.rules import checked, restored
from ports.criteria import Criteria
from ports.errors import (
    ConflictError,
    CorruptRecordError,
    DuplicateEntityError,
    EntityNotFoundError,
    RepositoryError,
    TransactionError,
)
from ports.repository import Repository

E = TypeVar("E", bound=Entity)
P = ParamSpec("P")
T = TypeVar("T")
BATCH = 200
"""Entities that are added by one statement: as many as the server keeps in memory together."""
R = TypeVar("R", bound="PostgresRepository[Any]")


def writing(
    method: "Callable[Concatenate[R, P], Coroutine[Any, Any, T]]",
) -> "Callable[Concatenate[R, P], Coroutine[Any, Any, T]]":
    """A primitive that writes: when it raises, the unit of work that it is part of is doomed."""

    @wraps(method)
    async def guarded(self: R, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(self, *args, **kwargs)
        except ConstraintBroken as broken:
            failure = self._broken(broken)
        except Undecodable:
            failure = CorruptRecordError(self.schema.name, None)
        except BaseException:
            self._executor.doom()
            raise
        self._executor.doom()
        raise failure

    return guarded  # type: ignore[return-value]  # the same but for what wraps adds


class PostgresRepository(PostgresReading[E], Repository[E]):
    """Every primitive of `Repository`, for any schema."""

    @writing
    async def _insert(self, entities: Sequence[E]) -> None:
        if len(entities) == 1:
            seen = await self._insert_one(entities[0])
        else:
            seen = await self._insert_many(entities)
        if seen:
            raise TransactionError("another transaction deleted the same entity first")

    async def _insert_one(self, entity: E) -> bool:
        """Whether a row of its id, deleted since, is seen as well; so does `_insert_many`."""
        relation, in_snapshot = self.relation, self._executor.in_snapshot
        statement = relation.insert_unseen if in_snapshot else relation.insert
        values = {**relation.row(entity), "tenant": self._tenant, **self._told(self._present())}
        rows = await self._executor.write(statement.sql, statement.arguments(values))
        return in_snapshot and bool(rows[0][0])

    async def _insert_many(self, entities: Sequence[E]) -> bool:
        statement = self.relation.insert_many
        shared = {"tenant": self._tenant, **self._told_of_all(self._present())}

        def arguments(start: int) -> list[Any]:
            lists = self.relation.lists(entities[start : start + BATCH])
            return statement.arguments({**lists, **shared})

        if len(entities) <= BATCH:
            await self._executor.affect(statement.sql, arguments(0))
        else:
            starts = range(0, len(entities), BATCH)
            batches, number = (lambda: map(arguments, starts)), len(entities)
            # It may take longer than other writes, and than an erasure waits for those: so its
            # gate is asked once more.
            again = partial(self._admit, entities)
            await self._executor.pour(statement.sql, batches, number, again)
        if not self._executor.in_snapshot:
            return False
        ids = [entity.id for entity in entities]
        return bool(await self._executor.read(self.relation.seen_twice.sql, (self._tenant, ids)))

    @writing
    async def _replace(self, entity: E, now: datetime) -> E:
        return await self._replaced(self._executor, entity, now)

    async def _replaced(self, executor: Executor, entity: E, now: datetime) -> E:
        relation = self.relation
        row = relation.row(entity)
        row["updated_at"] = updated_at = self._now(now)
        row["tenant"], row["expected"] = self._tenant, entity.revision
        row.update(self._told(updated_at))
        if self.schema.lifecycle is not None:
            row["before"] = relation.before[row["status"]]
        statement = relation.replace
        arguments = statement.arguments(row)
        while not (rows := await executor.write(statement.sql, arguments)):
            await self._refused(executor, entity)
        fields = {name: getattr(entity, name) for name in relation.mapper.names}
        fields["updated_at"], fields["revision"] = updated_at, entity.revision + 1
        for name, value in zip(relation.returned, rows[0], strict=True):
            fields[name] = relation.mapper.stored(name, value)
        changed: E = restored(self.schema.entity, fields)
        return changed

    async def _refused(self, executor: Executor, entity: E) -> None:
        """Raise why a compare-and-set changed nothing; return if that is no longer so."""
        revision, *status = await self._standing(executor, entity.id)
        if revision != entity.revision:
            raise ConflictError(self.schema.name, entity.id, entity.revision, revision)
        if (lifecycle := self.schema.lifecycle) is not None:
            current: Any = entity
            lifecycle.check(type(current.status)(status[0]), current.status)

    async def _standing(self, executor: Executor, id: Any) -> Row:
        rows = await executor.read(self.relation.standing.sql, (self._tenant, id))
        if not rows:
            raise EntityNotFoundError(self.schema.name, id)
        return rows[0]

    @writing
    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> E:
        values = self._setting(changes, now)
        values["id"], values["expected"] = id, expected_revision
        values.update(self._told(values["now"]))
        statement = self.relation.patch(
            frozenset(values["columns"]), expected=expected_revision is not None
        )
        arguments = statement.arguments(values)
        while not (rows := await self._executor.write(statement.sql, arguments)):
            await self._unexpected(id, expected_revision)
        return self._entities(rows)[0]

    async def _unexpected(self, id: Any, expected_revision: int | None) -> None:
        """Raise why there was nothing at the revision; return if that is no longer so."""
        revision, *_ = await self._standing(self._executor, id)
        if expected_revision is not None and revision != expected_revision:
            raise ConflictError(self.schema.name, id, expected_revision, revision)

    @writing
    async def _delete(self, id: Any, expected_revision: int | None) -> bool:
        values = {"tenant": self._tenant, "id": id, "expected": expected_revision}
        values.update(self._told(self._present()))
        statement = self.relation.delete(expected=expected_revision is not None)
        arguments = statement.arguments(values)
        while not await self._executor.affect(statement.sql, arguments):
            if expected_revision is None:
                return False
            try:
                await self._unexpected(id, expected_revision)
            except EntityNotFoundError:
                return False
        return True

    @writing
    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int:
        values = self._setting(changes, now)
        operands: list[Any] = []
        statement = self.relation.patch_where(frozenset(values["columns"]), criteria, operands)
        values.update(self._operands(operands))
        values.update(self._told_of_all(values["now"]))
        return await self._executor.affect(statement.sql, statement.arguments(values))

    @writing
    async def _delete_where(self, criteria: Criteria) -> int:
        operands: list[Any] = []
        statement = self.relation.delete_where(criteria, operands)
        values = self._operands(operands)
        values.update(self._told_of_all(self._present()))
        return await self._executor.affect(statement.sql, statement.arguments(values))

    def _told(self, at: datetime) -> dict[str, Any]:
        return told(self._context.author, at, self._context.ids.new_uuid())

    def _told_of_all(self, at: datetime) -> dict[str, Any]:
        return told_of_all(self._context.author, at)

    def _present(self) -> datetime:
        return self._now(self._context.clock.now())

    def _setting(self, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        columns = self.relation.changed(changes)
        values: dict[str, Any] = {f"set_{name}": value for name, value in columns.items()}
        values |= self.relation.stood(changes)
        return {**values, "columns": columns, "tenant": self._tenant, "now": self._now(now)}

    def _now(self, now: datetime) -> datetime:
        kept: datetime = checked(self.schema.entity, "updated_at", now)
        return kept

    def _broken(self, broken: ConstraintBroken) -> Exception:
        """What a refused row means; an aggregate with further tables knows more."""
        if broken.sqlstate == "23505":
            return DuplicateEntityError(
                self.schema.name, self.relation.unique_key(broken.constraint)
            )
        return RepositoryError(f"PostgreSQL refused a row (SQLSTATE {broken.sqlstate})")
