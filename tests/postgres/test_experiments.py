"""Experiments in PostgreSQL: what is read off an index, and rows that nobody of ours wrote."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres import erasing
from adapters.postgres import experiment_statements as sql
from adapters.postgres.statements import Statement
from domain.experiments import Experiment, Variant
from ports.errors import CorruptRecordError
from tests.postgres.opening import bare, new_tenant, store

VARIANTS = (
    Variant(name="control", weight=5_000, is_control=True),
    Variant(name="other", weight=5_000),
)
_UNITS = 3_000
_FILL = """
WITH assigned AS (
    INSERT INTO experiment_assignments
    SELECT $1, $2, 'user ' || n, 'control', now() FROM generate_series(1, $3) n
    RETURNING unit
)
INSERT INTO experiment_outcomes
SELECT $1, $2, metric, unit, 'control', 1, 1
  FROM assigned CROSS JOIN unnest(ARRAY['bought', 'spent']) metric
"""


def _nodes(tree: Any) -> list[Any]:
    return [tree, *(node for part in tree.get("Plans", ()) for node in _nodes(part))]


@pytest.fixture(scope="module")
def experiment(url: str) -> tuple[str, UUID]:
    """A tenant and its experiment, with many units and beside others like it."""
    kept: list[tuple[str, UUID]] = []

    async def fill() -> None:
        async with store(url) as opened, bare(url) as connection:
            for tenant in (new_tenant(), new_tenant()):
                experiments = opened.repositories(tenant).experiments
                await connection.execute(
                    "SELECT set_config('dialogbase.tenant', $1, false)", tenant
                )
                for name in ("one", "other"):
                    draft = Experiment.draft(
                        name=name, variants=VARIANTS, metrics=("bought", "spent")
                    )
                    made = await experiments.create(draft)
                    await connection.execute(_FILL, tenant, made.id, _UNITS)
                    kept.append((tenant, made.id))
            for table in ("experiments", "experiment_assignments", "experiment_outcomes"):
                await connection.execute(f"VACUUM ANALYZE {table}")

    asyncio.run(fill())
    return kept[0]


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (sql.ALLOTTED, {"pk_experiments", "pk_experiment_assignments"}),
        (sql.KEEP, {"pk_experiments"}),
        (sql.RECORD, {"pk_experiments", "pk_experiment_assignments"}),
        (
            sql.STANDING,
            {"pk_experiments", "pk_experiment_assignments", "pk_experiment_outcome_keys"},
        ),
        (sql.ASSIGNMENTS, {"pk_experiment_assignments"}),
    ],
    ids=["allotted", "keep", "record", "standing", "assignments"],
)
def test_what_is_asked_of_a_unit_is_read_off_an_index(
    url: str, experiment: tuple[str, UUID], statement: Statement, indexes: set[str]
) -> None:
    """However many units the experiment has; a page of them needs no sort."""
    tenant, id = experiment
    values = {"tenant": tenant, "id": id, "unit": "user 7", "metric": "bought", "key": "k"}
    values |= {"variant": "control", "revision": 1, "value": 1, "after": "user 5", "limit": 51}
    values["assigned_at"] = None

    async def asked() -> list[Any]:
        async with bare(url) as connection:
            rows = await connection.fetch(
                "EXPLAIN (FORMAT JSON) " + statement.sql, *statement.arguments(values)
            )
            return _nodes(json.loads(rows[0][0])[0]["Plan"])

    nodes = asyncio.run(asked())
    kinds = {node["Node Type"] for node in nodes}
    # A table of a few rows may as well be read whole.
    read = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert indexes - {"pk_experiments", "pk_experiment_outcome_keys"} <= read, nodes
    assert not kinds & {"Sort", "Incremental Sort"}, nodes


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        # Its outcomes may as well be looked for in each of its experiments, by the primary key.
        (erasing.ERASE_UNIT, {"ix_experiment_assignments_unit"}),
        (erasing.ERASE_OUTCOMES, {"ix_experiment_outcomes_unit"}),
    ],
    ids=["assignments", "outcomes"],
)
def test_what_is_erased_of_a_unit_is_read_off_an_index(
    url: str, experiment: tuple[str, UUID], statement: Statement, indexes: set[str]
) -> None:
    """However many experiments there are, and units of each. (Of tables as small as the tests', the
    server may think that to read one as a whole and hash it is as well.)
    """
    arguments = statement.arguments({"tenant": experiment[0], "unit": "user 7", "limit": 100})

    async def asked() -> list[Any]:
        async with bare(url) as connection:
            await connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
            rows = await connection.fetch("EXPLAIN (FORMAT JSON) " + statement.sql, *arguments)
            return _nodes(json.loads(rows[0][0])[0]["Plan"])

    nodes = asyncio.run(asked())
    assert indexes <= {node["Index Name"] for node in nodes if "Index Name" in node}, nodes
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}, nodes


@pytest.mark.parametrize("stored", ["5", '[{"name": "secret"}]', "[7]", "[]"])
def test_variants_that_cannot_be_read_are_named_and_never_shown(url: str, stored: str) -> None:
    """To whoever would assign a unit; one that was assigned needs them no more."""

    async def scenario() -> None:
        async with store(url) as opened, bare(url) as connection:
            tenant = new_tenant()
            experiments = opened.repositories(tenant).experiments
            made = await experiments.create(Experiment.draft(name="a", variants=VARIANTS))
            await experiments.start(made.id)
            await experiments.assign(made.id, "ada")
            await connection.execute("SELECT set_config('dialogbase.tenant', $1, false)", tenant)
            await connection.execute(
                "UPDATE experiments SET variants = $2::json WHERE id = $1", made.id, stored
            )
            assert await experiments.assign(made.id, "ada")
            with pytest.raises(CorruptRecordError) as told:
                await experiments.assign(made.id, "grace")
            assert (told.value.entity_type, told.value.entity_id) == ("experiment", made.id)
            assert "variants" in told.value.fields
            assert "secret" not in str(told.value)

    asyncio.run(scenario())
