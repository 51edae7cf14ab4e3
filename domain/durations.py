"""Durations: how long something is kept."""

from datetime import timedelta
from typing import Final

from domain.rules import Rule

MILLISECOND: Final = timedelta(milliseconds=1)


def duration(shortest: timedelta, longest: timedelta) -> Rule:
    """A timedelta of whole milliseconds within bounds."""

    def apply(candidate: object) -> timedelta:
        if not isinstance(candidate, timedelta):
            raise ValueError("must be a timedelta")
        if not shortest <= candidate <= longest:
            raise ValueError(f"must lie between {shortest} and {longest}")
        if candidate % MILLISECOND:
            raise ValueError("must be in whole milliseconds")
        return candidate

    return apply
