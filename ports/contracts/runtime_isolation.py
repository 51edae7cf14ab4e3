"""Tenants and names, over all ports for what lives for a while: no two share anything."""

from contextlib import AsyncExitStack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ports.contracts.harness import Backend, contract, examples
from ports.contracts.runtime_uses import (
    AWKWARD,
    EVERYWHERE,
    USES,
    Use,
    leave_all,
    there_in,
)
from ports.stores import TenantScope

ENDS = ("", ":", ".", "-", "_", ":a", ":b", ":b:c", "a", "A", "a.", "b:")
_NAMES = st.text(st.sampled_from("ab:/{}%*?[]\\ .~^-\u00e9"), min_size=1, max_size=4)


@pytest.mark.parametrize("use", USES, ids=[use.name for use in USES])
@contract
async def test_tenants_and_names_that_join_alike_are_strangers(backend: Backend, use: Use) -> None:
    """`a:b` and `c` is not `a` and `b:c`; a pattern, a brace or an escape is only a name."""
    base = backend.tenant("A")[:40]
    scopes = [backend.scope(f"{base}{end}") for end in ENDS]
    async with AsyncExitStack() as stack:
        for place, scope in enumerate(scopes):
            for name in AWKWARD[place % 2 :: 2]:
                await use.leave(scope, name, stack)
        for place, scope in enumerate(scopes):
            there = [name for name in AWKWARD if await use.there(scope, name)]
            assert there == [*AWKWARD[place % 2 :: 2]]


@given(st.tuples(st.sampled_from(ENDS), _NAMES), st.tuples(st.sampled_from(ENDS), _NAMES))
@example(("", "a"), (":b", "a"))
@example((":b", "c"), ("", "b:c"))
@examples(0.5)
@contract
async def test_what_is_left_is_found_under_its_own_tenant_and_name_only(
    backend: Backend, one: tuple[str, str], other: tuple[str, str]
) -> None:
    """Whatever the two are; also after it was removed."""
    base = backend.tenant("A")[:40]
    (mine, here), (theirs, there) = (
        (backend.scope(f"{base}{end}"), name) for end, name in (one, other)
    )
    async with AsyncExitStack() as stack:
        await leave_all(mine, here, stack)
        found = await there_in(theirs, there)
        assert found == (EVERYWHERE if one == other else [])
        if one != other:
            await leave_all(theirs, there, stack)
            for use in USES:
                await use.drop(theirs, there)
            assert await there_in(mine, here) == EVERYWHERE


@pytest.mark.parametrize("use", USES, ids=[use.name for use in USES])
@contract
async def test_each_port_has_names_of_its_own(scope: TenantScope, use: Use) -> None:
    """What one has, or removes, under a name is nothing to the others."""
    others = [other for other in USES if other is not use]
    async with AsyncExitStack() as stack:
        for name in AWKWARD:
            await leave_all(scope, name, stack, others)
        for name in AWKWARD:
            assert not await use.there(scope, name)
            await use.drop(scope, name)
            left = [other.name for other in others if await other.there(scope, name)]
            assert left == [other.name for other in others]


@contract
async def test_a_cache_that_is_cleared_is_the_cache_alone_and_one_tenants(
    backend: Backend,
) -> None:
    """However much is found by looking through names."""
    base = backend.tenant("A")[:40]
    scopes = [backend.scope(f"{base}{end}") for end in ENDS]
    async with AsyncExitStack() as stack:
        for scope in scopes:
            await leave_all(scope, "x", stack)
        assert await scopes[0].cache.clear() == 1
        assert await there_in(scopes[0], "x") == [name for name in EVERYWHERE if name != "cache"]
        for scope in scopes[1:]:
            assert await there_in(scope, "x") == EVERYWHERE
