"""Each statement names its tenant to the server before the server looks at a row of anybody's."""

import asyncio
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import attrs
import pytest

from adapters.postgres import (
    audit_statements,
    experiment_statements,
    flow_metric_statements,
    flow_statements,
    integration_statements,
    maintenance,
    outbox_statements,
)
from adapters.postgres.relation import Relation
from adapters.postgres.row_security import protected
from adapters.postgres.statements import Statement
from ports.criteria import Criteria, Where, coerce
from ports.paging import Order
from ports.reading import Selection
from tests.postgres.opening import bare
from tests.servers import as_service

MODULES = [
    audit_statements,
    experiment_statements,
    flow_metric_statements,
    flow_statements,
    integration_statements,
    maintenance,
    outbox_statements,
]
TABLES = {table.name for table in protected()}


def _named(module: ModuleType) -> Iterator[tuple[str, Statement]]:
    """The statements that a module holds, and those of its relation."""
    for name, value in vars(module).items():
        yield from ((f"{module.__name__}.{called}", one) for called, one in _in(name, value))


def _in(name: str, value: Any) -> Iterator[tuple[str, Statement]]:
    if isinstance(value, Statement):
        yield name, value
    elif isinstance(value, Relation):
        yield from _of(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _in(f"{name}[{key}]", item)
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value):
            yield from _in(f"{name}[{number}]", item)


def _of(relation: Relation[Any]) -> Iterator[tuple[str, Statement]]:
    schema = relation.schema
    # Without `insert_unseen`: it looks only after it has added a row, and within a unit of work,
    # which named its tenant as it began. And what is only appended to, other statements append to.
    fixed = ("insert", "insert_many", "seen_twice", "get", "get_many", "exists")
    names = (*fixed, "standing", "replace") if "updated_at" in relation.table.c else fixed[2:]
    for name in names:
        yield name, getattr(relation, name)
    criteria: Criteria = coerce(None, schema)
    where: Where[Any] = Where(schema)
    for given in (criteria, where.search("sought")) if schema.searchable else (criteria,):
        yield "count", relation.count(given, [])
        for order in ("id", f"-{next(n for n, f in schema.fields.items() if f.sortable)}"):
            total = Order.of(order, schema)
            for after in (None, (None,) * len(total.keys), ("x",) * len(total.keys)):
                selection = Selection(criteria=given, order=total, limit=1, after=after)
                yield f"select {order} {after}", relation.select(selection, relation.columns, [])
        if schema.patchable:
            columns = frozenset({min(schema.patchable)} & {*relation.table.c.keys()})
            yield "patch_where", relation.patch_where(columns, given, [])
            yield "delete_where", relation.delete_where(given, [])
    if schema.patchable:
        for expected in (True, False):
            yield "patch", relation.patch(frozenset({min(schema.patchable)}), expected=expected)
            yield "delete", relation.delete(expected=expected)


STATEMENTS = {
    f"{name} {number}": statement
    for number, (name, statement) in enumerate(
        named for module in MODULES for named in _named(module)
    )
}


@attrs.frozen
class Scan:
    """A table that is read, and whether something was evaluated once before."""

    table: str
    gated: bool


def scans(node: Any, gated: bool = False) -> Iterator[Scan]:
    """Every scan in a plan. What is read apart, as a CTE is or a subquery, needs its own gate."""
    gated = gated or "One-Time Filter" in node
    if node.get("Relation Name") in TABLES and node["Node Type"] != "ModifyTable":
        yield Scan(node["Relation Name"], gated)
    for part in node.get("Plans", ()):
        apart = part.get("Parent Relationship") == "InitPlan"
        yield from scans(part, gated and not apart)


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_tenant_is_set_before_a_row_is_looked_at(url: str, name: str) -> None:
    """Whatever plan is made of it for parameters that aren't known yet."""

    async def planned() -> Any:
        async with bare(as_service(url)) as connection:
            statement = STATEMENTS[name]
            nulls = ", ".join("NULL" for _ in statement.names)
            await connection.execute(
                f"SET plan_cache_mode = force_generic_plan; PREPARE it AS {statement.sql}"
            )
            given = f"({nulls})" if nulls else ""
            return json.loads(
                await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE it {given}")
            )

    (tree,) = asyncio.run(planned())
    assert [scan for scan in scans(tree["Plan"]) if not scan.gated] == []


def test_there_are_statements_to_look_at() -> None:
    """Of every module; and scans are found in them."""
    assert {".".join(name.split(".")[:3]) for name in STATEMENTS} == {m.__name__ for m in MODULES}
    assert len(STATEMENTS) > 100
    plan = {"Node Type": "Result", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "flows"}]}
    assert list(scans(plan)) == [Scan("flows", gated=False)]
    assert list(scans({**plan, "One-Time Filter": "…"})) == [Scan("flows", gated=True)]
