"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

from ports.time import Clock


class ManualClock(Clock):
    """For tests: time passes when they say so."""

    def __init__(self, now: datetime = datetime(2024, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._now += by

    def set(self, now: datetime) -> None:
        """Move to a time, backwards too."""
        self._now = now
