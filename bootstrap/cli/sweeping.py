"""`dialogbase sweep`: what has been kept for long enough goes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Annotated, Final

from cyclopts import Parameter

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.platform import open as open_platform
from domain.audit import instant_text
from domain.retention import SweepReport, Swept
from domain.rules import argument, number, optional, whole
from ports.sweeping import Progress

_SAYS: Final = {
    Swept.IDLE_CONVERSATIONS: "idle conversations, timed out",
    Swept.EXPIRED_CONVERSATIONS: "conversations past their retain_until",
    Swept.ENDED_CONVERSATIONS: "conversations that ended long ago",
    Swept.INTEGRATION_CALLS: "calls of integrations",
    Swept.AUDIT_ENTRIES: "entries of the audit trail",
    Swept.ANALYTICS_EVENTS: "analytics events",
    Swept.METRIC_KEYS: "keys of flows' figures",
    Swept.TOMBSTONES: "tombstones",
}


def sweep(
    *,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    limit: int | None = None,
    every: float | None = None,
    common: Common = DEFAULTS,
) -> int:
    """Remove what has been kept for long enough, in every store, by the settings.

    Conversations go by their own `retain_until`; those without one, calls, audit entries and
    analytics events by DIALOGBASE_…_RETENTION_DAYS, and idle conversations are timed out by
    DIALOGBASE_CONVERSATION_IDLE_HOURS. What no setting names is kept for ever. Any number of these
    may run; interrupted, what went is gone, and the next one goes on.

    With --json it prints {"at": …, "dry_run": false, "swept": {kind: n}, "failed": {kind: error},
    "limited": [kind]}, with --every one such line a sweep.

    Parameters
    ----------
    dry_run
        Count what would go, and change nothing.
    limit
        Sweep at most so many of each kind.
    every
        Go on until SIGINT or SIGTERM, with a rest of so many seconds. Otherwise it sweeps once; the
        exit code is 1 if a store failed.
    """
    argument("sweep", "limit", limit, optional(whole(1)))
    argument("sweep", "every", every, optional(_REST))
    report = options.run(_swept(common, dry_run, limit, every))
    return options.NOT_WELL if report is not None and report.failures else options.OK


_REST: Final = number(0.001, timedelta(days=30).total_seconds())


async def _swept(
    common: Common, dry_run: bool, limit: int | None, every: float | None
) -> SweepReport | None:
    """What became of the one sweep; None once it is told to end its rounds."""
    async with open_platform(common.settings()) as platform:
        sweeper = platform.maintenance.sweeper

        async def once() -> SweepReport:
            with _shown(quiet=common.json) as progress:
                report = await sweeper.once(limit=limit, dry_run=dry_run, progress=progress)
            _tell(report, common)
            return report

        if every is None:
            return await once()
        rounds = asyncio.ensure_future(_again_and_again(once, every))
        options.once_told(rounds.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await rounds
        return None


async def _again_and_again(once: Callable[[], Awaitable[SweepReport]], every: float) -> None:
    while True:
        await once()
        await asyncio.sleep(every)


@contextlib.contextmanager
def _shown(*, quiet: bool) -> Iterator[Progress | None]:
    """On a terminal, what is being swept."""
    console = options.messages()
    if quiet or not console.is_terminal:
        yield None
        return
    with console.status("Sweeping") as status:
        yield lambda kind, count: status.update(f"Sweeping {_SAYS[kind]}")


def _tell(report: SweepReport, common: Common) -> None:
    if common.json:
        options.print_json(
            {
                "at": instant_text(report.at),
                "dry_run": report.dry_run,
                "swept": {kind.value: count for kind, count in report.counts.items()},
                "failed": {kind.value: error for kind, error in report.failures.items()},
                "limited": list(report.limited),
            }
        )
        return
    console = options.output()
    for kind, count in report.counts.items():
        more = " (and perhaps more: the limit)" if kind in report.limited else ""
        console.print(f"{count:>10} {_SAYS[kind]}{more}")
    for kind, error in report.failures.items():
        console.print(f"[bold red]{'failed':>10}[/] {_SAYS[kind]}: {error}")
    if report.dry_run:
        console.print("nothing was changed: a dry run")
