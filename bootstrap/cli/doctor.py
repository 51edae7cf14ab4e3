"""`dialogbase doctor`: whether the chosen stores are as they should be."""

from typing import Annotated

import attrs
from cyclopts import Parameter, validators
from rich import box
from rich.table import Table
from rich.text import Text

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.health import FATAL, Check, Extent, Health, checks


def doctor(
    *,
    only: Annotated[
        Extent | None,
        Parameter(help="readiness: nothing but what decides whether requests can be answered."),
    ] = None,
    strict: Annotated[
        bool, Parameter(negative=(), help="The exit code is 1 for warnings as well.")
    ] = False,
    timeout: Annotated[
        float | None,
        Parameter(
            validator=validators.Number(gt=0, lte=3_600),
            help="Seconds to wait for any server; by default DIALOGBASE_DEADLINE_SECONDS. One that "
            "hangs is told as one that doesn't answer.",
        ),
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Look at the chosen stores, and say whether they are as they should be.

    Do they answer, which version are they, are all migrations there and nothing else, do indexes
    and constraints stand as declared, are the clocks together; what waits for whoever works in the
    background, and since when; is anything half erased. For PostgreSQL: does row-level security
    bind the role that services connect by, and are there keys for credentials. For MongoDB: is it a
    replica set, does it keep events for as long as is set. For Redis: is its cluster well, may it
    forget what hasn't expired, has every key its expiry.

    Changes nothing. What isn't well is either fatal (NOT WELL: requests can't be answered, or not
    be relied upon) or a warning. Exit codes: 0, all is well, or there are only warnings; 1,
    something fatal, or with --strict a warning; 2, the command or the settings are wrong. So
    `dialogbase doctor --only readiness --timeout 2` can be a readiness probe. With --json:
    {"well", "ready", "checks": [{"store", "subject", "well", "found", "severity"}]}.
    """
    health = options.run(checks(common.settings(), only=only, within=timeout))
    if common.json:
        found = [attrs.asdict(check) for check in health.checks]
        options.print_json({"well": health.well, "ready": health.ready, "checks": found})
    else:
        _tell(health)
    return options.OK if (health.well if strict else health.ready) else options.NOT_WELL


def _tell(health: Health) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("", "store", "looked at", "found"):
        table.add_column(heading, overflow="fold")
    for check in health.checks:
        table.add_row(_mark(check), check.store, check.subject, Text(check.found))
    options.output().print(table)


def _mark(check: Check) -> Text:
    if check.well:
        return Text("ok", style="green")
    if check.severity == FATAL:
        return Text("NOT WELL", style="bold red")
    return Text("warning", style="yellow")
