"""Statements compiled once: SQLAlchemy's work is done before a statement's second use."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

DIALECT = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's
_MAX_SHAPES = 512


@attrs.frozen
class Statement:
    """SQL text with `$1, $2, …`, and the names of the parameters that stand there."""

    sql: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters."""
        return [values[name] for name in self.names]


def compiled(statement: ClauseElement) -> Statement:
    """The statement as PostgreSQL takes it, each of its parameters a `bindparam` of a name."""
    made = cast(SQLCompiler, statement.compile(dialect=DIALECT))
    # A Python literal in a statement would be a parameter that nobody gives.
    assert all(bind.required for bind in made.binds.values()), str(made)
    return Statement(str(made), tuple(made.positiontup or ()))


def given(name: str, kind: Any) -> Any:
    """A parameter where nothing else tells PostgreSQL its type, as in a query's list."""
    return sa.cast(sa.bindparam(name), kind)


def definition(statement: ExecutableDDLElement) -> str:
    """The text of a statement that defines something."""
    return str(statement.compile(dialect=DIALECT))


class Shapes:
    """Compiled statements by shape; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Statement] = {}

    def get(self, shape: Hashable, build: Callable[[], ClauseElement]) -> Statement:
        """The statement of that shape, built if it isn't known."""
        known = self._known.get(shape)
        if known is None:
            while len(self._known) >= _MAX_SHAPES:
                del self._known[next(iter(self._known))]
            known = self._known[shape] = compiled(build())
        return known
