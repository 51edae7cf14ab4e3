"""`dialogbase dispatch` and `dialogbase outbox`."""

import asyncio
import sys
from datetime import datetime
from typing import Annotated

import attrs
from cyclopts import Parameter
from rich import box
from rich.markup import escape
from rich.table import Table

import bootstrap
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.platform import Platform
from ports.dispatch import Dispatched, Dispatcher
from ports.outbox import Backlog


def dispatch(
    *,
    once: Annotated[bool, Parameter(negative=(), help="End when nothing is due any more.")] = False,
    stream: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            help="Publish what is changed into the Redis streams of this name, one a tenant; may "
            "be given several times. Its place is kept until `dialogbase outbox unsubscribe`.",
        ),
    ] = (),
    common: Common = DEFAULTS,
) -> int:
    """Tell consumers what was changed, and seal audit trails, until SIGINT or SIGTERM.

    Any number of these may run, and services that dispatch themselves beside them: they share the
    work, and take over from one that dies. Among the consumers is the cache of flows, if the
    settings have one. With --json it prints {"delivered": n, "refused": n} at its end.
    """
    done = options.run(_dispatch(once, stream, common))
    if common.json:
        options.print_json(attrs.asdict(done))
    else:
        options.output().print(f"{done.delivered} delivered, {done.refused} refused")
    return options.OK


async def _dispatch(once: bool, streams: tuple[str, ...], common: Common) -> Dispatched:
    async with bootstrap.open(common.settings()) as platform:
        dispatcher = platform.dispatcher([platform.stream(name) for name in streams])
        if once:
            return await dispatcher.once()
        await _until_told(platform, dispatcher, streams)
        return dispatcher.done


async def _until_told(platform: Platform, dispatcher: Dispatcher, streams: tuple[str, ...]) -> None:
    told = asyncio.Event()
    options.once_told(told.set)
    async with dispatcher.running():
        names = [consumer.name for consumer in platform.consumers]
        names += [platform.stream(name).name for name in streams]
        options.messages().print(
            f"[dim]Dispatching to {escape(', '.join(names) or 'nobody')}; Ctrl-C ends it.[/]",
            soft_wrap=True,
        )
        sys.stderr.flush()
        await told.wait()


def backlog_command(*, common: Common = DEFAULTS) -> int:
    """Show what waits in the outbox, in numbers.

    With --json: {"undistributed": n, "oldest", "consumers": [{"name", "waiting", "oldest",
    "failing", "attempts", "last_error"}]}. `failing` is how many entities' events were refused and
    wait to come again, `attempts` how often at most, and `last_error` of what class that one's
    error was.
    """
    backlog = options.run(_backlog(common))
    if common.json:
        options.print_json(attrs.asdict(backlog))
    else:
        _tell(backlog)
    return options.OK


async def _backlog(common: Common) -> Backlog:
    async with bootstrap.open(common.settings()) as platform:
        return await platform.maintenance.authoring.outbox.backlog()


def _tell(backlog: Backlog) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("consumer", "waiting", "oldest", "failing", "attempts", "last error"):
        table.add_column(heading, overflow="fold")
    for one in backlog.consumers:
        figures = (str(one.waiting), _time(one.oldest), str(one.failing), str(one.attempts))
        table.add_row(escape(one.name), *figures, escape(one.last_error or "—"))
    console = options.output()
    if backlog.consumers:
        console.print(table)
    since = "" if backlog.oldest is None else f", the oldest of {_time(backlog.oldest)}"
    console.print(f"{backlog.undistributed} that no dispatcher has looked at yet{since}")


def _time(at: datetime | None) -> str:
    return "—" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def unsubscribe_command(name: str, /, *, common: Common = DEFAULTS) -> int:
    """Forget a consumer and all that waits for it.

    Who dispatches for it afterwards subscribes it anew, for what is changed from then on. With
    --json it prints {"unsubscribed": true}, or false (and the exit code 1) if there was none.

    Parameters
    ----------
    name
        As `dialogbase outbox backlog` shows it.
    """
    known = options.run(_unsubscribe(name, common))
    if common.json:
        options.print_json({"unsubscribed": known})
    else:
        said = "unsubscribed" if known else "there is no consumer of that name"
        options.output().print(f"{escape(name)}: {said}", soft_wrap=True)
    return options.OK if known else options.NOT_WELL


async def _unsubscribe(name: str, common: Common) -> bool:
    async with bootstrap.open(common.settings()) as platform:
        return await platform.maintenance.authoring.outbox.unsubscribe(name)
