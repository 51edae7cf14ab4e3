"""What was found when stores were looked at."""

from typing import Final, Literal, TypeAlias

import attrs

Severity: TypeAlias = Literal["fatal", "warning"]

FATAL: Final = "fatal"
WARNING: Final = "warning"


@attrs.frozen
class Check:
    """One thing that was looked at: what was found, and whether that is well.

    `severity` is what it means if it isn't: `fatal`, nothing can be relied upon until it is mended,
    so that no request should come; `warning`, somebody has to look, and requests are answered.
    """

    store: str
    subject: str
    well: bool
    found: str
    severity: Severity = FATAL


@attrs.frozen
class Health:
    """All that was looked at, in the order of the stores."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether requests can be answered: nothing fatal was found."""
        return all(check.well for check in self.checks if check.severity == FATAL)

    @property
    def well(self) -> bool:
        """Whether nothing at all was found fault with."""
        return all(check.well for check in self.checks)
