"""Maintenance among keys of other programs, some of which look like ours."""

import asyncio

from adapters.redis.keys import PREFIX, key
from adapters.redis.store import RedisStore
from domain.identity import TenantId
from ports.stores import RuntimeMaintenance
from tests.valkey import Node

ACME = TenantId("acme")
STRANGE = [
    b"acme",
    f"{PREFIX}{{acme".encode(),
    f"{PREFIX}{{half/x}}".encode(),
    f"{PREFIX}{{/x}}:session".encode(),
    f"{PREFIX}{{two words/x}}:session".encode(),
    f"{PREFIX}{{line\n/x}}:session".encode(),
    f"{PREFIX}{{caf\u00e9/x}}:session".encode(),
    f"{PREFIX}{{".encode() + b"\xff\xfe/x}:session",
    f"{PREFIX}{{bytes/".encode() + b"\xff}:session",
    b"dialogbase:2:{acme/x}:session",
]


def test_keys_of_other_programs_name_no_tenant_and_stay(own: Node) -> None:
    """Nor do those that only look like ours: whoever is named can be erased by that name."""

    async def named(maintenance: RuntimeMaintenance) -> list[TenantId]:
        return [tenant async for tenant in maintenance.tenants()]

    async def scenario() -> None:
        store = await RedisStore.open(own.url)
        try:
            maintenance = store.maintenance()
            assert await named(maintenance) == [ACME]
            assert await maintenance.erase_tenant(ACME) == 1
            assert await named(maintenance) == []
        finally:
            await store.close()

    with own.client() as beside:
        for name in [*STRANGE, key(ACME, "x", "session", "x").encode()]:
            beside.set(name, "x")
        asyncio.run(scenario())
        assert beside.exists(*STRANGE) == beside.dbsize() == len(STRANGE)
