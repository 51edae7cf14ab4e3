"""`dialogbase export tenant` and `dialogbase import tenant`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

import bootstrap
from adapters.system import SystemClock
from bootstrap import keys
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.cli.progress import progress
from bootstrap.interchange.tenant import (
    Manifest,
    TenantImportReport,
    export_tenant,
    import_tenant,
)
from bootstrap.settings import SettingsError
from domain.errors import Fault
from ports.secrets import SecretBox

KeyFile = Annotated[
    Path | None,
    Parameter(
        help="A file with the key of the credentials, as `dialogbase keys generate` prints one; - "
        "is standard input. (Not the key itself: what a command is given, others may see.)"
    ),
]


def export_tenant_command(
    name: str,
    /,
    *,
    to: Annotated[Path, Parameter(help="A folder: new, empty, or with an earlier export.")],
    gzip: Annotated[bool, Parameter(negative=(), help="Pack each file.")] = False,
    credentials_key: KeyFile = None,
    common: Common = DEFAULTS,
) -> int:
    """Export everything of a tenant as JSON Lines, a file a kind of record, with a manifest.

    The manifest says what there is, with checksums, and is written last: a folder without one isn't
    a whole export, and exporting again makes it one. What isn't in any export (caches, limits,
    locks, the outbox, tombstones) it says, too. Credentials are left out, unless a key is given to
    seal them under. Equal tenants give equal files, in whichever stores they are.

    With --json it prints {"tenant": "…", "folder": "…", "records": n, "kinds": {"flows": n, …},
    "without_credentials": ["…"], "uncounted_executions": n}: the names of the integrations whose
    credentials were left out, and how many executions aren't in the figures of their flows yet.

    Parameters
    ----------
    name
        The tenant.
    """
    box = _box(credentials_key)
    made = options.run(_export(name, to, gzip, box, common))
    kinds = {file.kind.name: file.records for file in made.files}
    if common.json:
        options.print_json(
            {
                "tenant": made.tenant,
                "folder": str(to),
                "records": made.records,
                "kinds": kinds,
                "without_credentials": list(made.without_credentials),
                "uncounted_executions": made.uncounted_executions,
            }
        )
        return options.OK
    if made.uncounted_executions:
        told = f"[yellow]{made.uncounted_executions} executions[/] aren't in their flows' figures"
        options.messages().print(f"{told}, nor will be in the copy: export again", soft_wrap=True)
    _tell_of_credentials(made.without_credentials, "were left out of the export")
    options.output().print(
        f"[bold green]{made.records}[/] records exported: tenant {escape(made.tenant)} to "
        f"{escape(str(to))}",
        soft_wrap=True,
    )
    return options.OK


async def _export(
    name: str, to: Path, gzip: bool, box: SecretBox | None, common: Common
) -> Manifest:
    settings = common.settings()
    async with bootstrap.open(settings) as platform:
        with progress("Exporting", "records", quiet=common.json) as told:
            return await export_tenant(
                platform,
                name,
                to,
                at=SystemClock().now(),
                secrets=box,
                gzipped=gzip,
                progress=lambda done: told(done, None),
            )


def import_tenant_command(
    folder: Path,
    /,
    *,
    as_: Annotated[
        str | None, Parameter(name="--as", help="Another name for the tenant; by default its own.")
    ] = None,
    credentials_key: KeyFile = None,
    common: Common = DEFAULTS,
) -> int:
    """Import an exported tenant: everything as it was, times, revisions and the audit trail too.

    Nothing is written before all files were found as the manifest says. The tenant must have no
    other data. Killed at any moment and run again, it goes on; what is there is unchanged. A record
    that can't come in is reported with its file, line and reason, and the import goes on; the exit
    code is then 1. Sessions and execution states expire when they would have.

    Under another name, ids stay, and the audit trail is chained anew for the name: its head, which
    this prints, is another one.

    With --json it prints {"tenant": "…", "imported": n, "unchanged": n, "expired": n, "refused":
    [{"file": "…", "line": n, "reason": "…"}], "without_credentials": ["…"], "audit_head": "…"}.

    Parameters
    ----------
    folder
        Where it was exported to.
    """
    box = _box(credentials_key)
    report = options.run(_import(folder, as_, box, common))
    imported = sum(kind.imported for kind in report.kinds.values())
    unchanged = sum(kind.unchanged for kind in report.kinds.values())
    expired = sum(kind.expired for kind in report.kinds.values())
    if common.json:
        options.print_json(
            {
                "tenant": report.tenant,
                "imported": imported,
                "unchanged": unchanged,
                "expired": expired,
                "refused": [
                    {"file": each.file, "line": each.line, "reason": each.reason}
                    for each in report.refused
                ],
                "without_credentials": list(report.without_credentials),
                "audit_head": None if report.head is None else str(report.head),
            }
        )
    else:
        _tell(report, folder, imported, unchanged, expired)
    return options.NOT_WELL if report.refused else options.OK


async def _import(
    folder: Path, tenant: str | None, box: SecretBox | None, common: Common
) -> TenantImportReport:
    settings = common.settings()
    async with bootstrap.open(settings) as platform:
        with progress("Importing", "records", quiet=common.json) as told:
            return await import_tenant(platform, folder, tenant=tenant, secrets=box, progress=told)


def _tell(
    report: TenantImportReport, folder: Path, imported: int, unchanged: int, expired: int
) -> None:
    warnings = options.messages()
    for each in report.refused:
        place = f"[yellow]{escape(each.file)}, line {each.line}:[/]"
        warnings.print(f"{place} {escape(each.reason)}", soft_wrap=True)
    _tell_of_credentials(report.without_credentials, "aren't there: set them anew")
    parts = [f"[bold green]{imported}[/] imported", f"{unchanged} unchanged"]
    if expired:
        parts.append(f"{expired} expired meanwhile")
    if report.refused:
        refused = sum(kind.refused for kind in report.kinds.values())
        parts.append(f"[bold yellow]{refused} refused[/]")
    console = options.output()
    told = f"{', '.join(parts)}: {escape(str(folder))} as tenant {escape(report.tenant)}"
    console.print(told, soft_wrap=True)
    if report.head is not None:
        console.print(f"head of the audit trail: {report.head}", soft_wrap=True)


def _tell_of_credentials(names: tuple[str, ...], what: str) -> None:
    if names:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        told = f"[yellow]credentials[/] of {len(names)} integrations {what}: {escape(shown)}"
        options.messages().print(told, soft_wrap=True)


def _box(path: Path | None) -> SecretBox | None:
    """The key of a file.

    Raises:
        SettingsError: if it holds none.
        OSError: if it can't be read.
    """
    if path is None:
        return None
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    try:
        return keys.ring(keys.keys(text.strip()), None)
    except ValueError:
        pass  # whose message, or traceback, could show what is in it
    raise SettingsError([Fault("--credentials-key", "must name a file with a key, as `id:key`")])
