"""Where spans begin and end: each once, wherever that is, and nobody's else is left or closed."""

import asyncio
from contextlib import AbstractAsyncContextManager
from unittest.mock import patch

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer

from tests.bootstrap.running import run
from tests.observed.hearing import Heard, about


@pytest.fixture
def heard() -> Heard:
    """Nothing yet."""
    return Heard()


def test_a_stream_that_nobody_reads_is_no_span(heard: Heard) -> None:
    """Nor is one left open; nothing was asked of the store."""

    @run
    async def unread() -> None:
        async with heard.platform() as platform:
            stream = platform.for_tenant("acme").flows.stream()
            assert aiter(stream) is stream

    with patch.object(Tracer, "start_span") as begun:
        unread()
    begun.assert_not_called()


def test_a_unit_may_be_left_by_another_task_than_entered_it(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    """As fixtures and stacks of blocks do: its span ends, and nobody complains."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            unit = platform.for_tenant("acme").authoring()
            await asyncio.create_task(_entered(unit))
            await unit.__aexit__(None, None, None)

    used()
    assert [span.name for span in heard.ended()] == ["unit authoring"]
    assert caplog.records == []


async def _entered(unit: AbstractAsyncContextManager[object]) -> None:
    await unit.__aenter__()


def test_a_unit_that_is_entered_twice_stays_the_one_that_it_was(heard: Heard) -> None:
    """The second time is refused, and that is an operation of its own."""

    @run
    async def used() -> None:
        async with heard.platform() as platform:
            async with (unit := platform.for_tenant("acme").authoring()):
                with pytest.raises(AttributeError):
                    await unit.__aenter__()
            assert trace.get_current_span() is trace.INVALID_SPAN

    used()
    refused, unit = heard.ended()
    assert "error.type" in about(refused)
    assert "error.type" not in about(unit)
