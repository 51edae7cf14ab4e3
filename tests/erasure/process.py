"""A process on real stores: `python -m tests.erasure.process ROLE SETTINGS TENANT USER`.

`erase` erases the user, a few conversations at a time, and says a line at each step and batch;
`write` writes of the user whatever it can, for ever, in each of some tenants (with blanks between
them), and after each round says which, and `wrote`, or `refused` if nothing was taken.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from unittest.mock import patch

import attrs

from bootstrap.platform import Platform
from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings, Stores
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.identity import UserId
from ports import erasing
from ports.errors import RepositoryError
from ports.stores import TenantScope
from tests.erasure.people import talk_of, writes

BATCH = 2


def told(settings: Settings) -> str:
    """Settings for a process of these tests."""
    names = ("postgres_url", "mongo_url", "redis_url", "deadline_seconds")
    return json.dumps({name: getattr(settings, name) for name in names})


def settings_of(text: str) -> Settings:
    """Those that were told."""
    given: dict[str, Any] = json.loads(text)
    return Settings(
        profile="servers",
        mongo_driver="pymongo",
        erasure_staleness_seconds=0.1,
        synchronise=True,
        stores=Stores(),
        **given,
    )


def say(what: str) -> None:
    """A line for the test."""
    print(what, flush=True)


async def erase(platform: Platform, tenant: Any, user: UserId) -> None:
    """As the platform does, without waiting for others."""
    erasing.ERASE_BATCH = BATCH  # type: ignore[misc]  # many batches of little
    erasures = platform.maintenance.erasures
    handed = type(erasures.runtime).erase_conversations

    async def hand(self: Any, tenant: Any, user: Any, ids: Sequence[str]) -> Any:
        say("batch")
        return await handed(self, tenant, user, ids)

    async def not_at_all(seconds: float) -> None:
        return

    with patch.object(type(erasures.runtime), "erase_conversations", hand):
        await attrs.evolve(erasures, sleep=not_at_all).erase(
            tenant, user, lambda step: say(f"step {step.number}")
        )
    say("done")


async def write(platform: Platform, tenants: Sequence[str], user: str) -> None:
    """Whatever the stores take."""
    while True:
        for tenant in tenants:
            scope = platform.for_tenant(tenant)
            taken = [await took(one) for one in anything(scope, user)]
            say(f"{tenant} {'wrote' if any(taken) else 'refused'}")


def anything(scope: TenantScope, user: str) -> Sequence[Callable[[], Awaitable[object]]]:
    """Every write, also of the conversations that the user had."""
    state = ExecutionState.draft(talk_of(user, 0), slots={"name": user})
    return [
        *writes(scope, user),
        lambda: scope.conversations.create(Conversation.draft(user_id=user)),
        lambda: scope.executions.save(state),
    ]


async def took(write: Callable[[], Awaitable[object]]) -> bool:
    """Whether a write was taken."""
    try:
        await write()
    except RepositoryError:
        return False
    return True


async def main(role: str, settings: str, tenant: str, user: str) -> None:
    """What a process does."""
    async with open_platform(settings_of(settings)) as platform:
        if role == "erase":
            await erase(platform, platform.for_tenant(tenant).tenant, UserId(user))
        else:
            await write(platform, tenant.split(), user)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
