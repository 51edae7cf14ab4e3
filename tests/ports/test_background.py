"""Steps that are taken in the background."""

import asyncio
import logging
from datetime import timedelta

import pytest

from ports.background import steps_taken, within
from ports.logs import Log

LOG = Log("outbox")
NEVER = timedelta(hours=1)


def test_a_step_that_fails_is_logged_by_its_class_and_taken_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However it fails, and nothing of what it says is logged."""
    caplog.set_level(logging.WARNING, "dialogbase")

    async def happen() -> int:
        attempts, done = 0, asyncio.Event()

        async def step() -> bool:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise ZeroDivisionError("secret")
            done.set()
            return False

        async with steps_taken(LOG, "it failed", (step, NEVER)):
            await done.wait()
        return attempts

    assert asyncio.run(happen()) == 2
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_a_step_that_was_begun_is_brought_to_its_end() -> None:
    """And none begins afterwards."""

    async def happen() -> int:
        begun, going_on = asyncio.Event(), asyncio.Event()
        ended = 0

        async def step() -> bool:
            nonlocal ended
            begun.set()
            await going_on.wait()
            ended += 1
            return True

        async with steps_taken(LOG, "it failed", (step, NEVER)):
            await begun.wait()
            asyncio.get_running_loop().call_soon(going_on.set)
        return ended

    assert asyncio.run(happen()) == 1


def test_a_block_that_raises_waits_for_no_step() -> None:
    """It is cancelled where it is."""

    async def happen() -> None:
        begun = asyncio.Event()

        async def step() -> bool:
            begun.set()
            await asyncio.Event().wait()
            return True

        async with steps_taken(LOG, "it failed", (step, NEVER)):
            await begun.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(happen())


def test_a_rest_ends_with_the_block() -> None:
    """Nobody waits for the time that is left of it."""

    async def happen() -> bool:
        found_nothing = asyncio.Event()

        async def step() -> bool:
            found_nothing.set()
            return False

        async with steps_taken(LOG, "it failed", (step, NEVER)):
            await found_nothing.wait()
        return True

    assert asyncio.run(happen())


def test_who_is_cancelled_as_what_they_wait_for_comes_is_cancelled() -> None:
    """Which `asyncio.wait_for` forgets."""

    async def happen() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(within(event, 60))
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(happen())
