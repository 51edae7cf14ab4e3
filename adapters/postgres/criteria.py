"""Criteria as SQL conditions.

A condition's shape (its nodes, fields and operators) decides the SQL text, its operands are
parameters, a list being one array: so one compiled statement serves every criteria of a shape.
`outline` and `Translation` walk the tree alike; operands get their numbers in that order.

SQL's third truth value is confined: NULL counts as false at the top and under AND and OR, and a
negation is `… IS NOT TRUE`, never `NOT …`.

A search's exact condition is on the text itself. Its index is asked by a function of the database's
(`tables.find`): under row-level security PostgreSQL doesn't use one by an operator that might tell
of rows which the policy hides, and `@>` might (it isn't LEAKPROOF, which takes a superuser to
declare). So the candidates' ids narrow a search wherever each match must be one of them.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.tables import find, folded_column, search_document
from ports.criteria import And, Comparison, Criteria, Not, Operator, Or, Search
from ports.schema import EntitySchema, FieldSchema, Kind

Condition: TypeAlias = sa.ColumnElement[Any]
ZERO = sa.literal_column("0", sa.Integer())
_GRAM = 3
"""Terms shorter than this have no trigram: they scan the tenant's rows."""


def outline(criteria: Criteria, values: list[Any]) -> Hashable:
    """The shape of a criteria; its operands are added to `values`."""
    if isinstance(criteria, Comparison):
        return (*_operator(criteria, values), criteria.field.name)
    if isinstance(criteria, Search):
        values.extend(criteria.terms)
        return (Search, *(len(term) >= _GRAM for term in criteria.terms))
    return (type(criteria), *(outline(part, values) for part in criteria.parts))


def _operator(comparison: Comparison, values: list[Any]) -> tuple[Hashable, ...]:
    operator, operand = comparison.operator, comparison.operand
    if operator in _WITHOUT_OPERAND:
        return (operator,)
    if comparison.field.kind is Kind.BOOLEAN and operator in (Operator.EQ, Operator.NE):
        # In the text: a partial index serves only a condition that the planner can see.
        return (operator, operand)
    values.append(_argument(comparison.field, operator, operand))
    return (operator,)


_WITHOUT_OPERAND = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})


def _argument(field: FieldSchema, operator: Operator, operand: Any) -> Any:
    if operator is Operator.REGEX:
        return operand.rendered(r"\Z")
    if field.kind is Kind.ENUM:
        if isinstance(operand, tuple):
            return [member.value for member in operand]
        return operand.value
    return operand


@attrs.define
class Translation:
    """Builds the condition of a criteria on a table, numbering its parameters `p0`, `p1`, …"""

    table: sa.Table
    schema: EntitySchema[Any]
    _taken: int = 0

    def condition(self, criteria: Criteria) -> Condition:
        """The condition, true for exactly the rows whose entities the criteria matches."""
        exact, narrowing = self._translated(criteria)
        return exact if narrowing is None else sa.and_(narrowing, exact)

    def _translated(self, criteria: Criteria) -> tuple[Condition, Condition | None]:
        """The condition, and one that an index serves and that is true for all that match, if any.

        Not under a negation: of a row that was changed while it was waited for, the condition is
        asked anew, but not the candidates.
        """
        if isinstance(criteria, Comparison):
            return self._comparison(criteria), None
        if isinstance(criteria, Search):
            return self._search(criteria)
        parts = [self._translated(part) for part in criteria.parts]
        conditions = [condition for condition, _ in parts]
        narrowings = [narrowing for _, narrowing in parts if narrowing is not None]
        if isinstance(criteria, And):
            return sa.and_(sa.true(), *conditions), sa.and_(*narrowings) if narrowings else None
        if isinstance(criteria, Or):
            all_narrowed = narrowings and len(narrowings) == len(parts)
            return sa.or_(sa.false(), *conditions), sa.or_(*narrowings) if all_narrowed else None
        assert isinstance(criteria, Not)
        negated: Condition = conditions[0].is_not(sa.true())
        return negated, None

    def _comparison(self, comparison: Comparison) -> Condition:
        field, operator = comparison.field, comparison.operator
        column = self.table.c[field.name]
        if operator is Operator.IS_NULL:
            return column.is_(None)
        if operator is Operator.IS_NOT_NULL:
            return column.is_not(None)
        if field.kind is Kind.BOOLEAN and operator in (Operator.EQ, Operator.NE):
            wanted = comparison.operand is (operator is Operator.EQ)
            truth: Condition = column if wanted else sa.not_(column)
            return truth
        if operator is Operator.ICONTAINS:
            return _strpos(self.table.c[folded_column(field.name)], self._parameter(TEXT))
        if operator is Operator.NOT_IN:
            parameter = self._parameter(postgresql.ARRAY(column.type))
            differs = column != sa.all_(parameter)
            # Of an empty list, ALL is true, for null too.
            return sa.and_(column.is_not(None), differs)
        if operator is Operator.IN:
            among: Condition = column == sa.any_(self._parameter(postgresql.ARRAY(column.type)))
            return among
        if operator is Operator.SIZE:
            size: Condition = sa.func.cardinality(column) == self._parameter(sa.Integer())
            return size
        return _CONDITIONS[operator](column, self._parameter(column.type))

    def _search(self, search: Search) -> tuple[Condition, Condition | None]:
        terms = [(term, self._parameter(TEXT)) for term in search.terms]
        if not self.schema.searchable:
            return (sa.false() if terms else sa.true()), None
        document = search_document(self.table, self.schema)
        found = sa.and_(sa.true(), *(_strpos(document, parameter) for _, parameter in terms))
        indexed = [parameter for term, parameter in terms if len(term) >= _GRAM]
        if not indexed:
            return found, None
        key = self.table.c.id
        # In a subquery, so that it is called once; cast, or PostgreSQL compares with its rows.
        candidates = sa.select(find(self.table, indexed)).scalar_subquery()
        among = key == sa.any_(sa.cast(candidates, postgresql.ARRAY(key.type)))
        return found, among

    def _parameter(self, kind: Any) -> Any:
        self._taken += 1
        return sa.bindparam(f"p{self._taken - 1}", type_=kind)


def _strpos(text: Any, part: Any) -> Condition:
    return sa.func.strpos(text, part) > ZERO


_CONDITIONS: Mapping[Operator, Callable[[Any, Any], Condition]] = {
    Operator.EQ: lambda column, operand: column == operand,
    Operator.NE: lambda column, operand: column != operand,
    Operator.GT: lambda column, operand: column > operand,
    Operator.GTE: lambda column, operand: column >= operand,
    Operator.LT: lambda column, operand: column < operand,
    Operator.LTE: lambda column, operand: column <= operand,
    Operator.CONTAINS: _strpos,
    Operator.STARTSWITH: lambda column, operand: sa.func.starts_with(column, operand),
    Operator.REGEX: lambda column, operand: column.op("~", is_comparison=True)(operand),
    Operator.ANY_OF: lambda column, operand: column.op("&&", is_comparison=True)(operand),
    Operator.ALL_OF: lambda column, operand: column.op("@>", is_comparison=True)(operand),
}
