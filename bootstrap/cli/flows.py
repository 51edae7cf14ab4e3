"""`dialogbase import flows` and `dialogbase export flows`."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import bootstrap
from adapters.system import SystemClock
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.interchange import ImportReport, export_flows, import_flows, opened_file

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # a lone one is standard input
Tenant = Annotated[str, Parameter(help="Whose flows they are.")]


def import_flows_command(file: File, /, *, tenant: Tenant, common: Common = DEFAULTS) -> int:
    """Import flows from a JSON Lines file, plain or gzipped; - is standard input.

    A record has an id, a name and a definition, and may have description, tags, version,
    category, trigger_conditions and fallback_flow_id. With format "dialogbase" the definition is in
    Dialogbase's own form and checked; any other document is kept whole. Other fields are kept too.

    Running it again imports only what is missing, also after it was killed: a flow's id is made
    of the record's id. A flow that is there with the same content is unchanged; with other
    content the record is refused, and nothing is overwritten. Of several flows of a name without
    a version, the first gets the version 1.0, the next 2.0 and so on, by what is free; names that
    differ in case are different names. Imported flows are drafts.

    A record that can't be a flow (not JSON or UTF-8, a key twice, NaN, an integer beyond 64 bits, a
    field missing or wrong, larger than 1 MiB) is reported with its line and reason, and the import
    goes on; the exit code is then 1. With --json it prints
    {"imported": n, "unchanged": n, "refused": [{"line": n, "reason": "…"}]}.

    Parameters
    ----------
    file
        The file.
    """
    report = options.run(_import(file, tenant, common))
    if common.json:
        options.print_json(
            {
                "imported": report.imported,
                "unchanged": report.unchanged,
                "refused": [
                    {"line": refusal.line, "reason": refusal.reason} for refusal in report.refused
                ],
            }
        )
    else:
        _tell(report, file, tenant)
    return options.NOT_WELL if report.refused else options.OK


async def _import(path: Path, tenant: str, common: Common) -> ImportReport:
    settings = common.settings()
    with opened_file(path) as file:
        async with bootstrap.open(settings) as platform:
            scope = platform.for_tenant(tenant)
            with _progress(options.messages(), quiet=common.json) as progress:
                return await import_flows(scope, file, at=SystemClock().now(), progress=progress)


@contextmanager
def _progress(console: Console, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn("Importing flows"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("lines"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, disable=not shown, transient=True) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _tell(report: ImportReport, file: Path, tenant: str) -> None:
    warnings = options.messages()
    for refusal in report.refused:
        warnings.print(f"[yellow]line {refusal.line}:[/] {escape(refusal.reason)}", soft_wrap=True)
    parts = [f"[bold green]{report.imported}[/] imported", f"{report.unchanged} unchanged"]
    if report.refused:
        parts.append(f"[bold yellow]{len(report.refused)} refused[/]")
    options.output().print(
        f"{', '.join(parts)}: {escape(str(file))} into tenant {escape(tenant)}", soft_wrap=True
    )


def export_flows_command(
    file: Path | None = None, /, *, tenant: Tenant, common: Common = DEFAULTS
) -> int:
    """Export a tenant's flows as JSON Lines, in the order of creation.

    The form is that of the import: what was imported comes back as it was, and a flow that was
    made otherwise has the format "dialogbase". It carries what flows say, not their status,
    kept versions, figures or usage.

    Parameters
    ----------
    file
        Where to write; it is there whole or not at all. Without it, standard output.
    """
    count = options.run(_export(file, tenant, common))
    if common.json and file is not None:
        options.print_json({"exported": count, "file": str(file)})
    else:
        where = "standard output" if file is None else escape(str(file))
        console = options.messages() if file is None else options.output()
        if not common.json:
            console.print(
                f"[bold green]{count}[/] exported: tenant {escape(tenant)} to {where}",
                soft_wrap=True,
            )
    return options.OK


async def _export(path: Path | None, tenant: str, common: Common) -> int:
    settings = common.settings()
    async with bootstrap.open(settings) as platform:
        scope = platform.for_tenant(tenant)
        if path is None:
            count = await export_flows(scope, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return count
        with _replaced(path) as file:
            return await export_flows(scope, file)


@contextmanager
def _replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when all is written, and leaves it alone otherwise."""
    if path.exists() and not path.is_file():  # a pipe or /dev/null
        with path.open("wb") as file:
            yield file
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        new.chmod(0o666 & ~umask)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
