"""Import and export of flows: what comes in, what is refused, what comes out."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import pytest

import bootstrap
from bootstrap import Settings
from bootstrap.interchange import (
    ImportReport,
    export_flows,
    flow_id_of,
    import_flows,
    opened_file,
    record_of,
)
from bootstrap.interchange.lines import MAX_LINE_BYTES
from bootstrap.samples import FLOWS
from domain.definitions import FlowDefinition, State, StateType
from domain.flows import Flow, FlowStatus
from ports.stores import TenantScope
from tests.bootstrap.running import run

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DOCUMENT = {"nodes": [{"$ref": "a.b", "": None, "x": 3.0}], "deep": {"n": 9007199254740993}}


def record(id: object = "one", **fields: Any) -> dict[str, Any]:
    """A record that nothing is wrong with."""
    return {
        "id": id,
        "source": "elsewhere",
        "license": "MIT",
        "source_file": "a/b.json",
        "format": "json",
        "name": "Welcome",
        "description": None,
        "tags": ["a", "b"],
        "definition": DOCUMENT,
        **fields,
    }


def lines(*records: object) -> IO[bytes]:
    """A file: bytes as they are, anything else as JSON."""
    return BytesIO(
        b"".join(
            (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in records
        )
    )


async def exported(scope: TenantScope) -> list[dict[str, Any]]:
    file = BytesIO()
    await export_flows(scope, file)
    return [json.loads(line) for line in file.getvalue().split(b"\n") if line]


async def imported(scope: TenantScope, *records: object) -> ImportReport:
    return await import_flows(scope, lines(*records), at=NOW)


async def versions(scope: TenantScope) -> dict[UUID, tuple[str, str]]:
    return {flow.id: (flow.name, flow.version) async for flow in scope.flows.stream()}


@run
async def test_what_was_imported_is_exported_as_it_was_in_its_order() -> None:
    """Fields that mean nothing to us included, and 3.0 is not 3."""
    records = [
        record("b", name="Welcome"),
        record("a", name="Welcome", extra={"kept": [1, 1.0, True]}, description=" x "),
        record(str(uuid4()), source=None, tags=[]),
    ]
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        assert (await imported(scope, *records)).imported == 3
        came_back = await exported(scope)
    assert came_back == records
    assert repr([one["definition"] for one in came_back]) == repr([DOCUMENT] * 3)
    assert repr(came_back[1]["extra"]) == repr({"kept": [1, 1.0, True]})


@run
async def test_an_export_imported_elsewhere_gives_equal_flows() -> None:
    """Whether they were imported or made here, edited since or not."""
    async with bootstrap.open(Settings.memory()) as platform:
        here, there = platform.for_tenant("here"), platform.for_tenant("there")
        await imported(here, record("a"), record("b"), record("c", name="other"))
        with opened_file(FLOWS) as samples:
            await import_flows(here, samples, at=NOW)
        made = await here.flows.create(
            Flow.draft(
                name="Made here",
                version="2025-α",
                category="c",
                trigger_conditions={"intents": ["x"]},
                fallback_flow_id=flow_id_of("a"),
                definition=FlowDefinition(initial_state="nowhere", metadata={"a.b": {"$": 1.0}}),  # type: ignore[arg-type]  # its rule makes it one
            )
        )
        await here.flows.patch(flow_id_of("a"), name="Renamed", description="since")
        await here.flows.create_version(flow_id_of("b"), definition=made.definition)
        await here.flows.create_version(flow_id_of("c"), version="x")
        kept = await here.flows.create(
            Flow.draft(name="External, made here", definition=FlowDefinition.external({"a": 1}))
        )
        copied = (await here.flows.require(flow_id_of("c"))).definition
        await here.flows.create(Flow.draft(name="Copy", definition=copied))

        file = BytesIO()
        count = await export_flows(here, file)
        assert (await import_flows(here, file, at=NOW)).unchanged == count
        assert (await import_flows(there, file, at=NOW)).imported == count
        async for flow in here.flows.stream():
            other = await there.flows.require(flow.id)
            assert record_of(other) == record_of(flow)
            assert other.definition == flow.definition
        assert (await there.flows.require(kept.id)).definition.external_document == {"a": 1}


@run
async def test_a_second_import_changes_nothing() -> None:
    """Not even a revision."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, record("a"), record("b"))
        before = [flow async for flow in scope.flows.stream()]
        assert await imported(scope, record("a"), record("b")) == ImportReport(0, 2, ())
        assert [flow async for flow in scope.flows.stream()] == before


@run
async def test_flows_of_a_name_are_numbered_in_the_order_of_the_file() -> None:
    """By what is free; a name in another case is another name."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        taken = await scope.flows.create(Flow.draft(name="x", version="2.0"))
        report = await imported(
            scope,
            record("a", name="x"),
            record("b", name="X"),
            record("c", name="x"),
            record("d", name="x", version="7"),
            record("e", name="x"),
        )
        assert report.refused == ()
        assert await versions(scope) == {
            taken.id: ("x", "2.0"),
            flow_id_of("a"): ("x", "1.0"),
            flow_id_of("b"): ("X", "1.0"),
            flow_id_of("c"): ("x", "3.0"),
            flow_id_of("d"): ("x", "7"),
            flow_id_of("e"): ("x", "4.0"),
        }


@pytest.mark.parametrize("stored", range(0, 260, 37))
@run
async def test_an_import_that_ended_anywhere_is_completed_with_the_same_result(stored: int) -> None:
    """Batches fall elsewhere then, and it makes no difference."""
    records = [
        record(str(n), name=f"n{n % 7}", **({"version": f"{n % 11}.0"} if n % 5 == 0 else {}))
        for n in range(260)
    ]
    async with bootstrap.open(Settings.memory()) as platform:
        whole, resumed = platform.for_tenant("whole"), platform.for_tenant("resumed")
        expected = await imported(whole, *records)
        await imported(resumed, *records[:stored])
        report = await imported(resumed, *records)
        assert report.imported + report.unchanged == expected.imported
        assert report.refused == expected.refused != ()
        assert await versions(resumed) == await versions(whole)


@run
async def test_other_content_under_a_stored_id_is_refused_and_changes_nothing() -> None:
    """Not even where Python would call it equal: 3.0 for 3, true for 1."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, record("a", definition={"x": 1}))
        before = await scope.flows.require(flow_id_of("a"))
        report = await imported(
            scope,
            record("a", definition={"x": 1.0}),
            record("a", definition={"x": True}),
            record("a", definition={"x": 1}, description="other"),
            record("a", definition={"x": 1}, license="GPL"),
            record("a", definition={"x": 1}, version="9"),
            record("a", definition={"x": 1}, version="1.0"),
            record("a", definition={"x": 1}),
        )
        assert (report.imported, report.unchanged) == (0, 2)
        assert [refusal.line for refusal in report.refused] == [1, 2, 3, 4, 5]
        assert {refusal.reason for refusal in report.refused} == {
            "a flow of this id is stored with other content; it was left as it is"
        }
        assert await scope.flows.require(flow_id_of("a")) == before


@run
async def test_one_id_twice_in_a_file_is_imported_once() -> None:
    """And refused if the second says something else."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        report = await imported(scope, record("a"), record("a"), record("a", name="other"))
        assert (report.imported, report.unchanged) == (1, 1)
        assert [refusal.line for refusal in report.refused] == [3]


def own(**fields: Any) -> dict[str, Any]:
    """A record in Dialogbase's own form."""
    return record(
        "own",
        format="dialogbase",
        definition={"initial_state": "a", "states": {"a": {"name": "a", "type": "end"}}},
        **fields,
    )


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in record().items() if key != name}


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"d": document}
    return document


REFUSED: Iterable[tuple[object, str]] = [
    (b"{", "is not JSON"),
    (b"[1]", "is not a JSON object"),
    (b'"text"', "is not a JSON object"),
    (b'{"id": "\xff"}', "is not UTF-8 at byte 8"),
    (b'{"id": "a", "id": "b"}', "has the key 'id' twice"),
    (b'{"id": "a", "definition": {"x": {"k": 1, "k": 2}}}', "has the key 'k' twice"),
    (b'{"x": NaN}', "holds NaN"),
    (b'{"x": -Infinity}', "holds -Infinity"),
    (b'{"x": ' + b"9" * 5_000 + b"}", "an integer beyond 64 bits"),
    (b"[" * 100_000, "is nested too deep"),
    (b'{"x": "' + b"y" * MAX_LINE_BYTES + b'"}', "is longer than"),
    (record(definition={"x": 2**63}), "is an integer beyond 64 bits"),
    (json.dumps(record(definition={"x": 0.5})).replace("0.5", "1e999").encode(), "not a finite"),
    (record(definition={"x": "\x00"}), "holds a NUL character"),
    (record(definition={"x": "\ud800"}), "holds a lone surrogate"),
    (record(definition={"\ud800": 1}), "has a key that holds a lone surrogate"),
    (record(definition=nested(33)), "is nested deeper than 32 levels"),
    (record(definition={"x": "y" * 1_100_000}), "is larger than 1048576 bytes"),
    (record(extra={"x": [2**64]}), "extra.x[0]: is an integer beyond 64 bits"),
    (record(definition=[]), "definition: must be an object"),
    (record(definition=None), "definition: must be an object"),
    (record(definition="flow"), "definition: must be an object"),
    (without("id"), "has no id"),
    (without("name"), "has no name"),
    (without("definition"), "has no definition"),
    ({}, "has no id and no name and no definition"),
    (record(id=7), "id: must be text"),
    (record(id=""), "id: must have 1 to 1000 characters"),
    (record(id="\x00"), "id: holds a NUL character"),
    (record(name=7), "name: must be text"),
    (record(name=""), "name: must have 1 to 255 characters"),
    (record(name="n" * 256), "name: must have 1 to 255 characters"),
    (record(description=7), "description: must be text"),
    (record(tags="abc"), "tags: must be a list"),
    (record(tags={"a": 1}), "tags: must be a list"),
    (record(tags=["t" * 51]), "tags[0]: must have 1 to 50 characters"),
    (record(version=2), "version: must be text"),
    (record(fallback_flow_id="x"), "fallback_flow_id: must be a UUID"),
    (record(trigger_conditions=[]), "trigger_conditions: must be an object"),
    (own(definition_=None) | {"definition": {"sates": {}}}, "definition.sates: is not a known"),
    (own() | {"definition": {"states": {"a": {"name": "a", "type": "x"}}}}, "must be one of"),
    (own() | {"definition": []}, "definition: must be an object"),
    (own() | {"definition": {"metadata": {"dialogbase.record": 1}}}, "is reserved"),
    (record(name=7, tags=["a"] * 51, definition={"x": 2**64}), "64 bits; name: must be text; tags"),
]


@run
async def test_every_refusal_names_its_line_and_reason_and_the_import_goes_on() -> None:
    """Good records between bad ones come in; blank lines are no records."""
    bad = [line for line, _ in REFUSED]
    between = [
        part for n, line in enumerate(bad) for part in (line, record(f"good {n}", name="x"), b" ")
    ]
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        report = await imported(scope, *between)
        assert report.imported == await scope.flows.count() == len(bad)
    assert [refusal.line for refusal in report.refused] == list(range(1, 3 * len(bad), 3))
    for refusal, (_, reason) in zip(report.refused, REFUSED, strict=True):
        assert reason in refusal.reason


@run
async def test_own_definitions_are_the_domain_s_and_others_are_kept_whole() -> None:
    """One field tells which is which."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, own(), record("theirs", name="theirs"))
        ours, theirs = (
            await scope.flows.require(flow_id_of("own")),
            await scope.flows.require(flow_id_of("theirs")),
        )
        assert ours.definition.states == {"a": State(name="a", type=StateType.END)}
        assert ours.definition.metadata["dialogbase.record"] == {
            "id": "own",
            "source": "elsewhere",
            "license": "MIT",
            "source_file": "a/b.json",
        }
        assert theirs.definition.external_document == DOCUMENT
        assert theirs.definition.metadata["license"] == "MIT"
        assert (await exported(scope))[0] == own(version="1.0")


@run
async def test_an_imported_flow_is_a_draft_that_can_be_published() -> None:
    """Another product's too."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, record("a"))
        assert (await scope.flows.require(flow_id_of("a"))).status is FlowStatus.DRAFT
        await scope.flows.publish(flow_id_of("a"))


@run
async def test_the_order_of_the_file_is_the_order_of_creation_and_never_in_the_future() -> None:
    """A millisecond apart, the last one now."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        await imported(scope, *(record(str(n)) for n in range(250)))
        flows = [flow async for flow in scope.flows.stream(order="created_at")]
    assert [flow.id for flow in flows] == [flow_id_of(str(n)) for n in range(250)]
    assert flows[-1].created_at == NOW
    assert flows[0].created_at == NOW - timedelta(milliseconds=249)


@run
async def test_tenants_import_the_same_file_side_by_side() -> None:
    """The same ids in each."""
    async with bootstrap.open(Settings.memory()) as platform:
        for tenant in ("acme", "globex"):
            assert (await imported(platform.for_tenant(tenant), record("a"))).imported == 1


def test_a_record_s_id_gives_the_same_flow_id_for_ever() -> None:
    """A change here would import everything anew."""
    uuid = "0190163d-8694-739b-aea5-966c26f8ad91"
    assert flow_id_of("one") == UUID("c77497ac-1f63-5caa-bdab-ba917ea59bc1")
    assert flow_id_of(uuid) == UUID(uuid)
    assert flow_id_of(uuid.upper()) != UUID(uuid)


@run
async def test_a_gzipped_file_is_unpacked_and_a_broken_one_is_told_at_its_line(
    tmp_path: Path,
) -> None:
    """What could be read of it is in."""
    packed = gzip.compress(b"".join(json.dumps(record(str(n))).encode() + b"\n" for n in range(50)))
    file = tmp_path / "flows"
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        file.write_bytes(packed[:-12])
        with opened_file(file) as unpacked:
            report = await import_flows(scope, unpacked, at=NOW)
        assert [refusal.reason for refusal in report.refused] == [
            "the file is broken from here on (EOFError)"
        ]
        stored = report.imported
        file.write_bytes(packed)
        with opened_file(file) as unpacked:
            report = await import_flows(scope, unpacked, at=NOW)
        assert report == ImportReport(50 - stored, stored, ())


@run
async def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    """Editors put them there."""
    content = b"\xef\xbb\xbf" + json.dumps(record("a")).encode() + b"\r\n\r\n"
    async with bootstrap.open(Settings.memory()) as platform:
        report = await import_flows(platform.for_tenant("acme"), BytesIO(content), at=NOW)
    assert report == ImportReport(1, 0, ())
