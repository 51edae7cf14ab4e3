"""`dialogbase erase`: tenants and users, from all stores."""

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.prompt import Confirm
from rich.table import Table

import bootstrap
from bootstrap.cli import options
from bootstrap.cli.files import replaced
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.erasing import Step, Told
from bootstrap.maintenance import PlatformMaintenance
from bootstrap.settings import SettingsError
from domain.erasure import Tombstone
from domain.errors import Fault
from domain.identity import TenantId, UserId
from domain.receipts import Erasure

Tenant = Annotated[str, Parameter(help="The tenant's name.")]
User = Annotated[str, Parameter(help="The user's id.", allow_leading_hyphen=True)]
Yes = Annotated[bool, Parameter(negative=(), help="Don't ask.")]
ReceiptFile = Annotated[
    Path | None,
    Parameter(help="A file to be written: the receipt as JSON, with the user's hash for the id."),
]


def tenant_command(
    tenant: Tenant, *, yes: Yes = False, receipt: ReceiptFile = None, common: Common = DEFAULTS
) -> int:
    """Erase everything of a tenant, from every store, and let nobody write of it any more.

    It takes some seconds longer than the data do: what is under way anywhere has to end. If it is
    interrupted, the same command goes on, or `dialogbase erase resume`; once it is finished, it
    shows the receipt again. With --json the receipt is printed as one document.
    """
    return _erase(tenant, None, yes, receipt, common)


def user_command(
    tenant: Tenant,
    user: User,
    *,
    yes: Yes = False,
    receipt: ReceiptFile = None,
    common: Common = DEFAULTS,
) -> int:
    """Erase everything of a tenant's user, from every store, and let nobody write of them any more.

    That is: conversations with messages and contexts, sessions, execution states, events, what
    experiments assigned and counted, limits and tagged values. Otherwise as `erase tenant`. The
    audit trail tells of changes that staff made in a tenant's configuration, and stays.
    """
    return _erase(tenant, user, yes, receipt, common)


def resume_command(*, common: Common = DEFAULTS) -> int:
    """Finish every erasure that was begun and isn't finished.

    With --json it prints {"finished": [receipt, …]}.
    """

    async def resumed() -> Sequence[Erasure]:
        async with _maintenance(common) as maintenance:
            with _progress(quiet=common.json) as told:
                return await maintenance.resume(told=told)

    done = options.run(resumed())
    if common.json:
        options.print_json({"finished": [document(each) for each in done]})
    else:
        for each in done:
            _show(each)
        options.output().print(f"{len(done)} finished")
    return options.OK


def list_command(
    *,
    all: Annotated[bool, Parameter(negative=(), help="Those that are finished, too.")] = False,
    tenant: Annotated[str | None, Parameter(help="Only this tenant's.")] = None,
    common: Common = DEFAULTS,
) -> int:
    """Show erasures that were begun and aren't finished: under way, or interrupted.

    With --json it prints {"erasures": [{"tenant": "…", "user": "… or null", "user_hash": "… or
    null", "began_at": "…", "until": "…", "finished_at": "… or null"}]}. Of a user whose erasure is
    finished only the hash is known.
    """

    async def listed() -> list[dict[str, Any]]:
        named = None if tenant is None else TenantId(tenant)
        async with _maintenance(common) as maintenance:
            if all:
                return [_line(each) async for each in maintenance.erasures.standing(named)]
            return [_line(each) for each in await maintenance.erasures.unfinished(named)]

    found = options.run(listed())
    if common.json:
        options.print_json({"erasures": found})
        return options.OK
    table = Table("tenant", "user", "began", "finished", "until")
    for each in found:
        user = each["user"] or (each["user_hash"] or "everybody")[:12]
        finished = each["finished_at"] or "not yet"
        table.add_row(
            *map(escape, (each["tenant"], user, each["began_at"], finished, each["until"]))
        )
    console = options.output()
    console.print(table if found else "none", soft_wrap=not found)
    return options.OK


def lift_command(
    tenant: Tenant,
    user: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    *,
    common: Common = DEFAULTS,
) -> int:
    """Admit an erased tenant, or user of it, again.

    What was erased stays so, and the receipt is gone. The exit code is 1 if nobody was erased. With
    --json it prints {"lifted": true}.
    """

    async def lifted() -> bool:
        async with _maintenance(common) as maintenance:
            who = None if user is None else UserId(user)
            return await maintenance.lift(TenantId(tenant), who)

    done = options.run(lifted())
    if common.json:
        options.print_json({"lifted": done})
    else:
        options.output().print("admitted again" if done else "nobody of that name was erased")
    return options.OK if done else options.NOT_WELL


def document(erasure: Erasure) -> dict[str, Any]:
    """A receipt as JSON says it. It names no user: whoever asked knows the id, and everybody else
    can compare the hash.
    """
    return {
        "tenant": erasure.tenant_id,
        "user_hash": erasure.user_hash,
        "began_at": _time(erasure.began_at),
        "finished_at": _time(erasure.finished_at),
        "until": _time(erasure.until),
        "total": erasure.total,
        "stores": [
            {
                "store": each.store,
                "erased": dict(sorted(each.erased.items())),
                "finished_at": _time(each.finished_at),
            }
            for each in erasure.receipts
        ],
    }


def _line(each: Erasure | Tombstone) -> dict[str, Any]:
    return {
        "tenant": each.tenant_id,
        "user": each.user_id,
        "user_hash": each.user_hash,
        "began_at": _time(each.began_at if isinstance(each, Erasure) else each.at),
        "finished_at": _time(each.finished_at),
        "until": _time(each.until),
    }


def _time(at: Any) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def _erase(tenant: str, user: str | None, yes: bool, file: Path | None, common: Common) -> int:
    if not (yes or _confirmed(tenant, user, common)):
        options.output().print("nothing was erased")
        return options.NOT_WELL
    erasure = options.run(_erased(tenant, user, common))
    told = document(erasure)
    if file is not None:
        with replaced(file) as opened:
            opened.write(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    if common.json:
        options.print_json(told)
    else:
        _show(erasure)
    return options.OK


def _confirmed(tenant: str, user: str | None, common: Common) -> bool:
    if common.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsError([Fault("--yes", "must be given where nobody can be asked")])
    what = "everything" if user is None else f"user [bold]{escape(user)}[/]"
    asked = f"Erase {what} of tenant [bold]{escape(tenant)}[/] for good?"
    return Confirm.ask(asked, console=options.messages(), default=False)


async def _erased(tenant: str, user: str | None, common: Common) -> Erasure:
    async with _maintenance(common) as maintenance:
        with _progress(quiet=common.json) as told:
            if user is None:
                return await maintenance.erase_tenant(TenantId(tenant), told=told)
            return await maintenance.erase_user(TenantId(tenant), UserId(user), told=told)


@asynccontextmanager
async def _maintenance(common: Common) -> AsyncIterator[PlatformMaintenance]:
    async with bootstrap.open(common.settings()) as platform:
        yield platform.maintenance


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Told]:
    console = options.messages()
    columns = (
        TextColumn("Erasing"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, disable=not shown, transient=True) as progress:
        task = progress.add_task("")

        def told(step: Step) -> None:
            done = step.number - 1
            progress.update(task, completed=done, total=step.steps, description=step.what)

        yield told


def _show(erasure: Erasure) -> None:
    table = Table("store", "what", "erased", "finished")
    for each in erasure.receipts:
        counts = sorted(each.erased.items()) or [("nothing", 0)]
        for place, (what, count) in enumerate(counts):
            first = place == 0
            table.add_row(
                each.store if first else "",
                what.replace("_", " "),
                str(count),
                (_time(each.finished_at) or "not yet") if first else "",
            )
    who = "all" if erasure.user_hash is None else "the user"
    console = options.output()
    console.print(table)
    console.print(
        f"[bold green]{erasure.total}[/] erased: {who} of tenant {escape(erasure.tenant_id)};"
        f" nothing more is written of them until {_time(erasure.until)}",
        soft_wrap=True,
    )
