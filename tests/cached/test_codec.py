"""Flows in the shared cache: bytes and back."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cached import codec
from adapters.cached.codec import FLOWS
from domain.flows import Flow
from ports.cache import MISS
from ports.codecs import Codec
from ports.contracts.exact import exact
from ports.contracts.subjects import FLOWS as SUBJECT
from ports.errors import CorruptRecordError
from tests.bootstrap.running import run
from tests.cached.parts import TENANT, World, an_active


@given(flows=st.lists(SUBJECT.entities(TENANT), max_size=3).map(tuple))
def test_flows_come_back_as_they_were(flows: Any) -> None:
    """In every part, types included; and so they do from what came back and was never looked at."""
    encoded = FLOWS.encode(flows)
    again = FLOWS.encode(FLOWS.decode(encoded))
    assert again == encoded
    assert exact(FLOWS.decode(again)) == exact(flows)


@given(data=st.binary(max_size=60))
def test_what_is_none_of_its_bytes_is_refused(data: bytes) -> None:
    """As codecs do: the cache takes it for absent."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        FLOWS.decode(b"\0\0\0\1" + data)


@run
async def test_bytes_cut_anywhere_are_refused() -> None:
    """Or, at worst, the definition alone, by whoever looks into it, is corrupt."""
    flow = await an_active(World().flows)
    encoded = FLOWS.encode((flow,))
    for end in range(len(encoded)):
        with pytest.raises((ValueError, LookupError, TypeError)):
            FLOWS.decode(encoded[:end])
    damaged = FLOWS.decode(encoded[:-1] + b"?")
    with pytest.raises(CorruptRecordError):
        assert damaged[0].definition.states


@run
async def test_a_definition_is_decoded_by_who_looks_into_it() -> None:
    """Nobody else pays for it."""
    flow = await an_active(World().flows)
    found = FLOWS.decode(FLOWS.encode((flow,)))[0]
    assert "states" not in vars(found.definition)
    assert found == flow
    assert "states" in vars(found.definition)


@run
async def test_another_build_reads_nothing_wrong() -> None:
    """Its flows have other fields, and so its codec another name."""
    named = FLOWS.name
    assert named == f"dialogbase.flows.{codec._FORM}"
    world = World()
    flow = await an_active(world.flows)

    class Other(codec.FlowCodec):
        name = "dialogbase.flows.another"

    cache = world.runtime.repositories(TENANT).cache
    other: Codec[tuple[Flow, ...]] = Other()
    await cache.typed(other).set("key", (flow,))
    assert await cache.typed(FLOWS).get("key") is MISS
    await cache.typed(FLOWS).set("key", (attrs.evolve(flow, category="new"),))
    assert await cache.typed(other).get("key") is MISS
