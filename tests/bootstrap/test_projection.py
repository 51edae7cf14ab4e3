"""A platform that counts executions of flows, and the command that does."""

from datetime import UTC, datetime, timedelta

import pytest

from bootstrap import Settings
from bootstrap import open as open_platform
from bootstrap.cli import app, options
from domain.flow_executions import FlowExecution, Outcome
from domain.flows import Flow
from ports.flow_projection import ProjectionOptions
from tests.bootstrap.running import run


@run
async def test_what_is_recorded_is_counted_during_the_block() -> None:
    """At its end all that is due; nothing is left, and the sweep forgets no key before."""
    fast = ProjectionOptions(interval=timedelta(milliseconds=1))
    async with open_platform(Settings.memory()) as platform:
        acme = platform.for_tenant("acme")
        flow = await acme.flows.create(Flow.draft(name="welcome"))
        now = datetime.now(UTC)
        async with platform.projecting(options=fast):
            await acme.analytics.record_executions(
                FlowExecution(
                    id=f"talk {number}",
                    flow_id=flow.id,
                    started_at=now - timedelta(seconds=number),
                    ended_at=now,
                    outcome=Outcome.COMPLETED,
                )
                for number in range(3)
            )
        (day,) = await acme.flows.get_metrics(flow.id, now.date(), now.date())
        assert (day.totals.executions, day.avg_duration_ms) == (3, 1_000)
        assert (await platform.maintenance.analytics.uncounted()).number == 0
        assert (await platform.maintenance.sweep()).failures == {}


def test_the_command_counts_all_that_is_due(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """And says what it did, and what is left."""
    assert app.call(["project", "--once", "--profile", "memory", "--json"]) == options.OK
    told = b'{"counted":0,"known":0,"waiting":0,"dropped":0,"left":0}\n'
    assert capsysbinary.readouterr().out == told
    assert app.call(["project", "--once", "--profile", "memory"]) == options.OK
    assert capsysbinary.readouterr().out == b"0 counted, 0 waiting, 0 dropped; 0 left\n"
