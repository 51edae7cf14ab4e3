"""Turns: whoever comes behind others waits within the deadline, whenever that is."""

import asyncio

import pytest

from adapters.mongo.turns import Turns
from ports.errors import StoreTimeoutError


def test_who_comes_while_a_turn_changes_hands_has_a_deadline() -> None:
    """The lock is free for that moment, but it is the turn of the next in the queue."""

    async def scenario() -> None:
        turns, told = Turns(0.05), asyncio.Event()

        async def next_one() -> None:
            async with turns.of("log"):
                await told.wait()

        async with turns.of("log"):
            following = asyncio.create_task(next_one())
            await asyncio.sleep(0)
        # Nobody else has run since the end of that turn.
        async with asyncio.timeout(10):
            with pytest.raises(StoreTimeoutError):
                async with turns.of("log"):
                    pass
        told.set()
        await following

    asyncio.run(scenario())
