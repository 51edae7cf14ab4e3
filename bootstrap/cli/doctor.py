"""`dialogbase doctor`: whether the chosen stores are as they should be."""

from collections.abc import AsyncIterator
from typing import Final

import attrs
from rich import box
from rich.table import Table
from rich.text import Text

from adapters.system import SystemClock
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.container import server_urls
from bootstrap.settings import Settings
from ports.errors import RepositoryError

MAX_CLOCK_SKEW_SECONDS: Final = 2.0
"""More than a round trip takes and clocks that are kept in time differ."""


@attrs.frozen
class Check:
    """One thing that was looked at: what was found, and whether that is well."""

    store: str
    subject: str
    well: bool
    found: str


def doctor(*, common: Common = DEFAULTS) -> int:
    """Look at the chosen stores: do they answer, which version are they, are all migrations there
    and nothing else, do indexes and constraints stand as declared, are the clocks together.

    Changes nothing. The exit code is 1 if anything isn't well.
    """
    checks = options.run(_doctor(common))
    well = all(check.well for check in checks)
    if common.json:
        options.print_json({"well": well, "checks": [attrs.asdict(check) for check in checks]})
    else:
        _tell(checks)
    return options.OK if well else options.NOT_WELL


async def _doctor(common: Common) -> list[Check]:
    settings = common.settings()
    checks: list[Check] = []
    if settings.stores.authoring == "memory":
        checks.append(Check("memory", "answers", True, "in this process; nothing is kept"))
    if "postgres" in settings.servers_needed:
        async with server_urls(settings) as urls:
            checks += [check async for check in _postgres(urls.postgres, settings)]
    return checks


async def _postgres(url: str, settings: Settings) -> AsyncIterator[Check]:
    # Imported here, so that whoever has no PostgreSQL needs no driver.
    from adapters.postgres.inspection import inspect

    store = "postgres"
    try:
        seen = await inspect(url, SystemClock().now(), deadline=settings.deadline_seconds)
    except RepositoryError as error:
        yield Check(store, "answers", False, str(error))
        return
    yield Check(store, "answers", True, f"PostgreSQL {seen.server_version}")
    yield Check(store, "encoding", seen.encoding == "UTF8", seen.encoding)
    pending = seen.migrations.pending
    yield Check(
        store,
        "migrations",
        not pending,
        f"lacks {', '.join(pending)}: run dialogbase migrate"
        if pending
        else f"at {seen.migrations.current}",
    )
    if not pending:
        yield Check(
            store,
            "schema",
            not seen.differences,
            "columns, indexes and constraints as declared"
            if not seen.differences
            else "; ".join(
                f"{difference.name} is {difference.actual or 'missing'}"
                + (f", not {difference.expected}" if difference.expected else " and not ours")
                if difference.actual
                else f"{difference.name} is missing"
                for difference in seen.differences
            ),
        )
    yield Check(
        store,
        "clock",
        abs(seen.clock_skew) <= MAX_CLOCK_SKEW_SECONDS,
        f"{seen.clock_skew:+.3f} s against this machine's",
    )


def _tell(checks: list[Check]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("", "store", "looked at", "found"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark = Text("ok", style="green") if check.well else Text("NOT WELL", style="bold red")
        table.add_row(mark, check.store, check.subject, Text(check.found))
    options.output().print(table)
