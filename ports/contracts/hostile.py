"""Hostile values: refused as values, or stored and read back equal; nothing in between."""

from typing import Any

import pytest

from domain.errors import ValidationError
from domain.flows import Flow
from domain.rules import checked
from ports.contracts.exact import exact
from ports.contracts.harness import contract, raised_by_each
from ports.contracts.strategies import HOSTILE
from ports.stores import TenantScope


def _deep(levels: int, inner: object = 1) -> object:
    for _ in range(levels):
        inner = [inner]
    return inner


def _document(value: object) -> dict[str, Any]:
    return {"trigger_conditions": {"value": value}}


REFUSED: dict[str, dict[str, Any]] = {
    "NaN": _document(float("nan")),
    "infinity": _document([float("-inf")]),
    "2^63": _document(2**63),
    "-2^63-1": _document(-(2**63) - 1),
    "a huge integer": _document(10**400),
    "NUL in a value": _document("a\x00b"),
    "NUL in a key": {"trigger_conditions": {"a\x00": 1}},
    "a lone surrogate": _document("\udc00"),
    "a lone surrogate in a key": {"trigger_conditions": {"\ud83d": 1}},
    "32 levels in one": _document(_deep(32)),
    "thousands of levels": _document(_deep(5_000)),
    "more than 1 MiB": _document("x" * 2**20),
    "10 MB": _document("😀" * 2_500_000),
    "10 MB of keys": {"trigger_conditions": {f"{n:0100}": n for n in range(100_000)}},
    "a key that isn't text": {"trigger_conditions": {1: 1}},
    "bytes": _document(b"x"),
    "a set": _document({1}),
    "an object": _document(object()),
    "10 MB of text": {"description": "x" * 10_000_000},
    "NUL": {"description": "\x00"},
    "half an emoji": {"name": "\ud83d"},
    "no name": {"name": ""},
    "256 characters": {"name": "x" * 256},
    "51 tags": {"tags": ["x"] * 51},
    "a tag of 51 characters": {"tags": ["x" * 51]},
    "tags that are text": {"tags": "abc"},
    "a rate above one": {"success_rate": 1.0000000000000002},
    "a rate that is NaN": {"success_rate": float("nan")},
    "a rate that is true": {"success_rate": True},
    "text for an id": {"fallback_flow_id": "00000000-0000-0000-0000-000000000000"},
    "a control character": {"updated_by": "a\x85"},
}

ADMITTED: dict[str, dict[str, Any]] = {
    "2^63-1": _document(2**63 - 1),
    "-2^63": _document(-(2**63)),
    "3.0": _document(3.0),
    "-0.0": _document(-0.0),
    "the smallest and largest": _document([5e-324, 1.7976931348623157e308, -1e308]),
    "31 levels in one": _document(_deep(31)),
    "nearly 1 MiB": _document("é" * (2**19 - 30)),
    "many keys": {"trigger_conditions": {f"k{n}": n for n in range(10_000)}},
    "empty keys and dollars": {"trigger_conditions": {"": {"$where": {"a.b": {"": []}}}}},
    "255 characters beyond the BMP": {"name": "😀" * 255},
    "10 000 characters": {"description": "\U0010ffff" * 10_000},
    "50 tags alike": {"tags": ["😀" * 50] * 50},
    "hostile tags": {"tags": [sample for sample in HOSTILE if sample]},
    **{f"text {n}": {"name": sample} for n, sample in enumerate(HOSTILE)},
    **{f"JSON {n}": _document({sample: sample}) for n, sample in enumerate(HOSTILE)},
}


@pytest.mark.parametrize("case", REFUSED)
@contract
async def test_what_is_not_admitted_changes_nothing(scope: TenantScope, case: str) -> None:
    """The error names the field and keeps the value to itself."""
    flows, changes = scope.flows, REFUSED[case]
    made = await flows.create(Flow.draft(name="flow"))
    for error in await raised_by_each(
        flows.patch(made.id, **changes),
        flows.update_where(None, **changes),
        flows.modify(made.id, lambda flow: flow.edited(**changes)),
    ):
        assert isinstance(error, ValidationError)
        assert len(str(error)) < 1_000
    assert exact(await flows.require(made.id)) == exact(made)


@pytest.mark.parametrize("case", ADMITTED)
@contract
async def test_what_is_admitted_comes_back_equal(scope: TenantScope, case: str) -> None:
    """By a patch, and in a flow created with it."""
    flows, changes = scope.flows, ADMITTED[case]
    made = await flows.create(Flow.draft(name="flow"))
    await flows.patch(made.id, **changes)
    drafted: dict[str, Any] = {"name": "other", "version": "2.0", **changes}
    created = await flows.create(Flow.draft(**drafted))
    for stored in (await flows.require(made.id), await flows.require(created.id)):
        for name, value in changes.items():
            assert exact(getattr(stored, name)) == exact(checked(Flow, name, value))
