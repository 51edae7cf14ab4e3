"""What is to be known about a database before one relies on it: for `doctor`."""

from datetime import UTC, datetime, timedelta

import attrs

from adapters.mongo.collections import every
from adapters.mongo.migrations import Difference, MigrationState, connected


@attrs.frozen(kw_only=True)
class Inspection:
    """`clock_skew`: seconds by which the server's clock is ahead of the caller's."""

    server_version: str
    clock_skew: float
    migrations: MigrationState
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        """Whether the store can be relied upon."""
        return not self.migrations.pending and not self.differences


async def inspect(
    url: str, now: datetime, *, retention: timedelta | None = None, deadline: float = 10.0
) -> Inspection:
    """Look at the database at `url`; it is left as it was. `now` is the caller's time, `retention`
    how long analytics events are to be kept.

    Raises:
        StoreUnavailableError: if the database can't be reached.
    """
    async with connected(url, deadline) as server:
        hello = await server.command({"hello": 1})
        build = await server.command({"buildInfo": 1})
        form = await server.form(every(retention))
    told: datetime = hello["localTime"]
    return Inspection(
        server_version=build["version"],
        clock_skew=(told.replace(tzinfo=UTC) - now.astimezone(UTC)).total_seconds(),
        migrations=form.state,
        differences=tuple(form.differences),
    )
