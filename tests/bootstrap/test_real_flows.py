"""The main job on real input: other products' flows, imported, used and exported again."""

import json
import os
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from bootstrap import Settings
from bootstrap.interchange import export_flows, flow_id_of, import_flows, opened_file
from domain.flows import FlowStatus
from tests.bootstrap.running import run

DATA = Path(
    os.environ.get(
        "DIALOGBASE_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"
    )
)
FILE = DATA / "flows.jsonl"
NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the real flows are not in {DATA}")


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_bytes().split(b"\n") if line]


@run
async def test_real_flows_come_back_whole_and_in_their_order(
    settings: Settings, tenant: str
) -> None:
    """All of them, to the letter: 3.0 is not 3, and keys keep their order."""
    async with bootstrap.open(settings) as platform:
        scope = platform.for_tenant(tenant)
        with opened_file(FILE) as file:
            first = await import_flows(scope, file, at=NOW)
            second = await import_flows(scope, file, at=NOW)
        exported = BytesIO()
        await export_flows(scope, exported)
    assert (first.imported, first.refused) == (277, ())
    assert (second.imported, second.unchanged, second.refused) == (0, 277, ())
    came_back = [json.loads(line) for line in exported.getvalue().split(b"\n") if line]
    assert came_back == records()
    assert [json.dumps(one) for one in came_back] == [json.dumps(one) for one in records()]


@run
async def test_an_export_of_real_flows_gives_equal_flows_in_another_tenant(
    settings: Settings, tenant: str
) -> None:
    """Ids, names, versions, definitions."""
    async with bootstrap.open(settings) as platform:
        here, there = platform.for_tenant(tenant), platform.for_tenant(f"{tenant}-copy")
        with opened_file(FILE) as file:
            await import_flows(here, file, at=NOW)
        exported = BytesIO()
        await export_flows(here, exported)
        await import_flows(there, exported, at=NOW)
        async for flow in here.flows.stream():
            copy = await there.flows.require(flow.id)
            assert (copy.name, copy.version, copy.tags, copy.description) == (
                flow.name,
                flow.version,
                flow.tags,
                flow.description,
            )
            assert copy.definition == flow.definition


@run
async def test_real_flows_are_published_versioned_rolled_back_and_found(
    settings: Settings, tenant: str
) -> None:
    """What they were imported for."""
    async with bootstrap.open(settings) as platform:
        flows = platform.for_tenant(tenant).flows
        with opened_file(FILE) as file:
            await import_flows(platform.for_tenant(tenant), file, at=NOW)

        largest = max(records(), key=lambda one: len(json.dumps(one["definition"])))
        flow = await flows.publish(flow_id_of(largest["id"]), by="ada")
        assert flow.status is FlowStatus.ACTIVE
        assert await flows.set_default(flow.id) == await flows.get_default()

        other = (await flows.require(flow_id_of(records()[0]["id"]))).definition
        await flows.create_version(flow.id, definition=other, version="next", by="grace")
        assert (await flows.require(flow.id)).definition == other
        back = await flows.rollback_to(flow.id, flow.version)
        assert back.definition.external_document == largest["definition"]
        assert {kept.version for kept in await flows.get_versions(flow.id)} == {
            flow.version,
            "next",
        }

        found = await flows.search("welcome DIALOG")
        expected = [one["id"] for one in records() if _mentions(one, "welcome", "dialog")]
        assert {one.id for one in found.items} == {flow_id_of(id) for id in expected}
        assert found.items
        assert await flows.count({"status": "active"}) == 1


def _mentions(record: dict[str, Any], *words: str) -> bool:
    text = "\n".join([record["name"], record["description"] or "", *record["tags"]]).casefold()
    return all(word in text for word in words)
