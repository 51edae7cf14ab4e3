"""A process that appends: `python -m tests.mongo.appender URL DRIVER TENANT CONVERSATION NAME`.

Ten tasks append five times each, two messages at a time, and one batch of its own under a key that
all processes share. It prints, as JSON, the numbers that each of its appends was given.
"""

import asyncio
import json
import sys
from typing import Any

from adapters.mongo.driver import MongoOptions
from adapters.mongo.store import MongoStore
from adapters.system import SystemClock, Uuid7Generator
from domain.messages import Message
from ports.stores import TenantScope

TASKS, ROUNDS = 10, 5
SHARED_KEY = "of all processes"


async def appended(
    url: str, driver: Any, tenant: Any, conversation: str, name: str
) -> dict[str, Any]:
    """What one process does, and was told."""
    clock = SystemClock()
    options = MongoOptions(driver=driver, deadline=60)
    store = await MongoStore.open(url, clock=clock, ids=Uuid7Generator(clock), options=options)
    try:
        messages = TenantScope(tenant, dialogue=store).messages

        async def task(number: int) -> list[list[int]]:
            told = []
            for turn in range(ROUNDS):
                texts = [f"{name} {number} {turn} {part}" for part in range(2)]
                made = await messages.append(conversation, map(Message.draft, texts))
                assert [one.text for one in made] == texts
                told.append([one.sequence for one in made])
            return told

        print("ready", flush=True)
        sys.stdin.readline()
        once = messages.append(
            conversation,
            [Message.draft("once"), Message.draft("for all")],
            idempotency_key=SHARED_KEY,
        )
        shared, own = await asyncio.gather(once, asyncio.gather(*map(task, range(TASKS))))
        return {
            "shared": [one.sequence for one in shared],
            "own": [numbers for told in own for numbers in told],
        }
    finally:
        await store.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(appended(*sys.argv[1:]))), flush=True)
