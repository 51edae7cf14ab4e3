"""Reading a table: the half that repositories and logs have in common."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from adapters.postgres.errors import Undecodable
from adapters.postgres.executor import Executor, Row
from adapters.postgres.relation import Relation
from domain.identity import Entry
from ports.criteria import Criteria
from ports.errors import CorruptRecordError
from ports.reading import Context, Reading, Selection

E = TypeVar("E", bound=Entry)


class PostgresReading(Reading[E]):
    """Every primitive of `Reading`, for any schema."""

    relation: ClassVar[Relation[Any]]

    def __init__(self, context: Context, executor: Executor) -> None:
        super().__init__(context)
        self._executor = executor
        self._tenant = context.tenant

    async def _get(self, id: Any) -> E | None:
        rows = await self._read(self.relation.get.sql, (self._tenant, id))
        return self.relation.mapper.restored(rows[0]) if rows else None

    async def _get_many(self, ids: Sequence[Any]) -> Sequence[E]:
        rows = await self._read(self.relation.get_many.sql, (self._tenant, ids))
        return self._entities(rows)

    async def _exists(self, id: Any) -> bool:
        return bool(await self._read(self.relation.exists.sql, (self._tenant, id)))

    async def _count(self, criteria: Criteria) -> int:
        operands: list[Any] = []
        statement = self.relation.count(criteria, operands)
        rows = await self._read(statement.sql, statement.arguments(self._operands(operands)))
        count: int = rows[0][0]
        return count

    async def _select(self, selection: Selection) -> Sequence[E]:
        return self._entities(await self._rows(selection, self.relation.columns))

    async def _rows(self, selection: Selection, columns: tuple[Any, ...]) -> list[Row]:
        operands: list[Any] = []
        statement = self.relation.select(selection, columns, operands)
        values = self._operands(operands)
        values["limit"], values["offset"] = selection.limit, selection.offset
        if selection.after is not None:
            for index, value in enumerate(selection.after):
                values[f"k{index}"] = value
        return await self._read(statement.sql, statement.arguments(values))

    def _operands(self, operands: Sequence[Any]) -> dict[str, Any]:
        values: dict[str, Any] = {f"p{index}": value for index, value in enumerate(operands)}
        values["tenant"] = self._tenant
        return values

    async def _read(self, sql: str, arguments: Sequence[Any]) -> list[Row]:
        try:
            return await self._executor.read(sql, arguments)
        except Undecodable:
            failure = CorruptRecordError(self.schema.name, None)
        raise failure

    def _entities(self, rows: Sequence[Row]) -> list[E]:
        entities: list[E] = self.relation.mapper.all_restored(rows)
        return entities
