"""`dialogbase import flows` and `dialogbase export flows`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bootstrap.cli.files import File, Tenant, run_export, run_import
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.interchange import export_flows, import_flows
from domain.identity import Author


def import_flows_command(
    file: File,
    /,
    *,
    tenant: Tenant,
    actor: Annotated[str | None, Parameter(help="Who did it: for the audit trail.")] = None,
    reason: Annotated[str | None, Parameter(help="And why.")] = None,
    common: Common = DEFAULTS,
) -> int:
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
    return run_import(import_flows, file, tenant, common, Author(actor, reason))


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
    return run_export(export_flows, file, tenant, common)
