"""`dialogbase audit verify`."""

from typing import Annotated

import attrs
from cyclopts import Parameter
from rich.markup import escape

import bootstrap
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from domain.audit import AuditHead
from domain.audit_chain import AuditFinding, AuditVerification


def verify_command(
    *,
    tenant: Annotated[str, Parameter(help="Whose trail it is.")],
    expected: Annotated[
        str | None,
        Parameter(help="A head that was printed before and kept elsewhere: is it still there?"),
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Check a tenant's audit trail: is every entry of its chain there, in its place and unaltered.

    What isn't sealed yet is sealed first. Prints the chain's head; keep it elsewhere, and give it
    with --expected next time: a chain that somebody wrote anew as a whole is found by that alone.
    The exit code is 1 if anything is wrong, and the first bad entry is named. With --json it prints
    {"sound": true, "entries": n, "head": "n:…", "anchor": "n:…", "finding": null}; the anchor is
    the last entry that retention removed, and a finding has "fault" (altered, missing, foreign,
    head, rewritten, anchor, purged), "sequence", "entry_id" and "says".
    """
    kept = None if expected is None else AuditHead.parse(expected)
    verified = options.run(_verified(tenant, kept, common))
    if common.json:
        options.print_json(
            {
                "sound": verified.sound,
                "entries": verified.entries,
                "head": str(verified.head),
                "anchor": str(verified.anchor),
                "finding": None if verified.finding is None else attrs.asdict(verified.finding),
            }
        )
    else:
        _tell(tenant, verified)
    return options.OK if verified.sound else options.NOT_WELL


async def _verified(tenant: str, expected: AuditHead | None, common: Common) -> AuditVerification:
    async with bootstrap.open(common.settings()) as platform:
        return await platform.for_tenant(tenant).audit.verify(expected)


def _tell(tenant: str, verified: AuditVerification) -> None:
    console = options.output()
    found = verified.finding
    if found is None:
        entries = "1 entry" if verified.entries == 1 else f"{verified.entries} entries"
        console.print(f"[bold green]sound[/]: {entries} of tenant {escape(tenant)}")
    else:
        told = f"[bold red]{found.fault}[/]: {escape(found.says)}{_where(found)}"
        console.print(told, soft_wrap=True)
        console.print(
            f"{verified.entries} of the chain are sound before it: tenant {escape(tenant)}"
        )
    if verified.anchor.sequence:
        removed = f"{verified.anchor.sequence} before them were removed: their time was over"
        console.print(removed)
    console.print(f"head {verified.head}", soft_wrap=True, highlight=False)


def _where(found: AuditFinding) -> str:
    return "" if found.entry_id is None else f" (entry {found.entry_id})"
