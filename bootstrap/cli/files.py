"""What the commands `import` and `export` have in common, whatever the records are."""

import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Protocol

from cyclopts import Parameter
from rich.markup import escape

import bootstrap
from adapters.system import SystemClock
from bootstrap.cli import options
from bootstrap.cli.options import Common
from bootstrap.cli.progress import progress
from bootstrap.interchange import ImportReport, opened_file
from domain.identity import NOBODY, Author
from ports.stores import TenantScope

File = Annotated[Path, Parameter(allow_leading_hyphen=True)]  # a lone one is standard input
Tenant = Annotated[str, Parameter(help="Whose they are.")]
Exporting = Callable[[TenantScope, IO[bytes]], Awaitable[int]]


class Importing(Protocol):
    """One of the imports of `bootstrap.interchange`."""

    def __call__(
        self,
        scope: TenantScope,
        file: IO[bytes],
        *,
        at: datetime,
        progress: Callable[[int, int], None],
    ) -> Awaitable[ImportReport]: ...


def run_import(
    importing: Importing, path: Path, tenant: str, common: Common, author: Author = NOBODY
) -> int:
    """Import a file, tell what became of it, and return the exit code."""
    report = options.run(_import(importing, path, tenant, common, author))
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
        _tell(report, path, tenant)
    return options.NOT_WELL if report.refused else options.OK


async def _import(
    importing: Importing, path: Path, tenant: str, common: Common, author: Author
) -> ImportReport:
    settings = common.settings()
    with opened_file(path) as file:
        async with bootstrap.open(settings) as platform:
            scope = platform.for_tenant(tenant, actor=author.actor, reason=author.reason)
            with progress("Importing", "lines", quiet=common.json) as told:
                return await importing(scope, file, at=SystemClock().now(), progress=told)


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


def run_export(exporting: Exporting, path: Path | None, tenant: str, common: Common) -> int:
    """Export to a file or standard output, tell how many, and return the exit code."""
    count = options.run(_export(exporting, path, tenant, common))
    if common.json and path is not None:
        options.print_json({"exported": count, "file": str(path)})
    elif not common.json:
        where = "standard output" if path is None else escape(str(path))
        console = options.messages() if path is None else options.output()
        console.print(
            f"[bold green]{count}[/] exported: tenant {escape(tenant)} to {where}", soft_wrap=True
        )
    return options.OK


async def _export(exporting: Exporting, path: Path | None, tenant: str, common: Common) -> int:
    settings = common.settings()
    async with bootstrap.open(settings) as platform:
        scope = platform.for_tenant(tenant)
        if path is None:
            count = await exporting(scope, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return count
        with replaced(path) as file:
            return await exporting(scope, file)


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
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
