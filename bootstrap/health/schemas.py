"""What every server's inspection tells: who it is, its migrations, its schema, its clock."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from bootstrap.health.findings import FATAL, WARNING, Check, Severity

MAX_CLOCK_SKEW_SECONDS: Final = 2.0
"""More than a round trip takes and clocks that are kept in time differ."""


class Migrations(Protocol):
    @property
    def current(self) -> str | None: ...
    @property
    def pending(self) -> tuple[str, ...]: ...


class Difference(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def expected(self) -> str | None: ...
    @property
    def actual(self) -> str | None: ...


class Inspection(Protocol):
    """What every store's inspection tells."""

    @property
    def clock_skew(self) -> float: ...
    @property
    def migrations(self) -> Migrations: ...
    @property
    def differences(self) -> Sequence[Difference]: ...


def migrations(store: str, seen: Migrations) -> Check:
    """Whether all are there."""
    lacks = f"lacks {', '.join(seen.pending)}: run dialogbase migrate"
    found = lacks if seen.pending else f"at {seen.current}"
    return Check(store, "migrations", not seen.pending, found)


def schema(store: str, seen: Inspection, as_declared: str) -> Iterator[Check]:
    """Whether everything stands as declared: guarantees rest on what is missing or different, and
    what isn't ours does no harm but for its cost. Of a database that lacks migrations, a comparison
    that wasn't made isn't told.
    """
    differences = seen.differences
    if differences or not seen.migrations.pending:
        found = "; ".join(map(_difference, differences)) or as_declared
        ours = any(each.expected is not None for each in differences)
        severity: Severity = FATAL if ours or not differences else WARNING
        yield Check(store, "schema", not differences, found, severity)


def clock(store: str, skew: float) -> Check:
    """Whether the server's and this machine's are together."""
    together = abs(skew) <= MAX_CLOCK_SKEW_SECONDS
    return Check(store, "clock", together, f"{skew:+.3f} s against this machine's", WARNING)


def _difference(found: Difference) -> str:
    if found.actual is None:
        return f"{found.name} is missing"
    if found.expected is None:
        return f"{found.name} is {found.actual} and not ours"
    return f"{found.name} is {found.actual}, not {found.expected}"
