"""Erasing a user: whatever was written of them is gone, and nothing of anybody else's."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

from domain.conversations import Conversation
from domain.erasure import Tombstone
from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from ports.capabilities import Capability
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.traces import TRACES
from ports.stores import TenantScope

USER = UserId("ada")
LOOKALIKES = (
    "ad",
    "adam",
    "Ada",
    "ada ",
    " ada",
    "ada:",
    "ada/",
    "ada*",
    "a%",
    "ada\u0301",
    "%61da",
)
LONG = timedelta(days=400)


def maintenance(backend: Backend, group: Group, instance: int = 1) -> Any:
    """A store's, by default of the second instance."""
    return backend.instances[instance].store(group).maintenance()


async def bury(
    backend: Backend, group: Group, tenant: TenantId, user: UserId | None, instance: int = 1
) -> None:
    """From now on, they are refused."""
    now = backend.clock.kept
    tombstone = Tombstone(tenant_id=tenant, user_id=user, at=now, until=now + LONG)
    await maintenance(backend, group, instance).tombstones.bury(tombstone)


async def noted(backend: Backend, group: Group, scope: TenantScope) -> dict[str, int]:
    """The user's receipt, as the first instance reads it."""
    found = await maintenance(backend, group, 0).tombstones.find(scope.tenant, USER)
    assert found is not None
    return dict(found.erased)


@contract
async def test_nothing_of_an_erased_user_is_left(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """It is told how many of what went, and once more nothing does."""
    traces = TRACES[group]
    left = await traces.leave(scope, USER)
    everywhere = await traces.seen(scope, USER)
    assert len(everywhere) >= 2
    assert await traces.erase(maintenance(backend, group), scope.tenant, USER) == left
    assert await traces.seen(scope, USER) == []
    assert await traces.erase(maintenance(backend, group, 0), scope.tenant, USER) == {}


@contract
async def test_others_keep_what_is_theirs(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Whoever is called nearly the same, and who is called the same in another tenant."""
    traces, namesake = TRACES[group], backend.scope(f"{scope.tenant}.")
    await traces.leave(scope, USER)
    everywhere = await traces.seen(scope, USER)
    await traces.leave(namesake, USER)
    for user in LOOKALIKES:
        await traces.leave(scope, user)
    await traces.erase(maintenance(backend, group), scope.tenant, USER)
    assert await traces.seen(namesake, USER) == everywhere
    for user in LOOKALIKES:
        assert await traces.seen(scope, user) == everywhere, user


@contract
async def test_a_user_of_the_longest_name_is_erased(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Of text that means something to stores."""
    traces, user = TRACES[group], "$a.b/{*}%" + "\U0001f600" * 200
    await traces.leave(scope, user)
    await traces.erase(maintenance(backend, group), scope.tenant, user)
    assert await traces.seen(scope, user) == []


@contract
async def test_who_was_never_there_is_erased_without_effect(backend: Backend, group: Group) -> None:
    """And what can't be somebody is refused."""
    store, tenant = maintenance(backend, group), backend.tenant()
    assert await store.erase_user(tenant, USER) == {}
    assert tenant not in [each async for each in store.tenants()]
    wrong: list[Any] = ["", "a\0", "a\n", "x" * 257, None, 7]
    for user in wrong:
        assert isinstance(await raised_by(store.erase_user(tenant, user)), ValidationError), user
    assert isinstance(await raised_by(store.erase_user(f"{tenant}*", USER)), ValidationError)


@contract
async def test_what_went_is_added_to_the_receipt(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Of a user who was buried, over all attempts; nobody is buried by an erasure."""
    traces, tombstones = TRACES[group], maintenance(backend, group).tombstones
    left = await traces.leave(scope, USER)
    await bury(backend, group, scope.tenant, USER)
    await traces.erase(maintenance(backend, group), scope.tenant, USER)
    await traces.erase(maintenance(backend, group, 0), scope.tenant, USER)
    assert await noted(backend, group, scope) == left
    await traces.leave(scope, "mary")
    await traces.erase(maintenance(backend, group), scope.tenant, "mary")
    assert await noted(backend, group, scope) == left
    assert await tombstones.find(scope.tenant, UserId("mary")) is None
    assert await tombstones.find(scope.tenant) is None


@contract
async def test_what_went_of_a_tenant_is_added_to_its_receipt(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """As many entities as are said to have gone, and more by name."""
    await TRACES[group].leave(scope, USER)
    await bury(backend, group, scope.tenant, None)
    store = maintenance(backend, group)
    gone = await store.erase_tenant(scope.tenant)
    found = await store.tombstones.find(scope.tenant)
    assert sum(count for what, count in found.erased.items() if what != "messages") == gone > 0
    assert await store.erase_tenant(scope.tenant) == 0
    assert await store.tombstones.find(scope.tenant) == found


@contract
async def test_who_interrupts_an_erasure_hinders_nobody_to_finish_it(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Cancelled at any point and called again, until nothing is left; others lose nothing."""
    traces, random = TRACES[group], Random(5)
    await traces.leave(scope, USER)
    everywhere = await traces.seen(scope, USER)
    await traces.leave(scope, "adam")
    for _ in range(8):
        await cancelled(traces.erase(maintenance(backend, group), scope.tenant, USER), random)
    await traces.erase(maintenance(backend, group), scope.tenant, USER)
    assert await traces.seen(scope, USER) == []
    assert await traces.seen(scope, "adam") == everywhere


@contract(needs=Capability.TRANSACTIONS)
async def test_receipts_are_right_whoever_was_interrupted(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """What goes, and that it is noted, is one step where there are transactions."""
    traces, random, left = TRACES[group], Random(6), dict[str, int]()
    left |= await traces.leave(scope, USER)
    if group is Group.DIALOGUE:
        await scope.conversations.create_many(Conversation.draft(user_id=USER) for _ in range(600))
        left["conversations"] += 600
    await bury(backend, group, scope.tenant, USER)
    for _ in range(8):
        await cancelled(traces.erase(maintenance(backend, group), scope.tenant, USER), random)
    await traces.erase(maintenance(backend, group), scope.tenant, USER)
    assert await noted(backend, group, scope) == left


async def cancelled(coroutine: Any, random: Random) -> None:
    """Begin it, and cancel it some turns of the loop or milliseconds later, unless it has ended."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(random.randrange(8)):
        await asyncio.sleep(0)
    if random.random() < 0.7:
        await asyncio.sleep(random.random() * 0.01)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
