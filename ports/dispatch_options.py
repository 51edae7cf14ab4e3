"""How a dispatcher goes about its work."""

from datetime import timedelta
from random import uniform
from typing import Final

import attrs
from attrs import field

from domain.durations import MILLISECOND, duration
from domain.rules import Value, rule, whole

_DOUBLINGS: Final = 27
"""After as many, a millisecond is more than a day."""

_SECOND: Final = timedelta(seconds=1)

_REST = duration(MILLISECOND, timedelta(minutes=1))
_TIMEOUT = duration(MILLISECOND, timedelta(minutes=10))
_PAUSE = duration(MILLISECOND, timedelta(days=1))


@attrs.frozen(kw_only=True, slots=False)
class DispatchOptions(Value):
    """`interval`: how long a dispatcher that finds nothing rests, give or take half of it.

    `timeout`: how long a consumer may take for one call. `batch`: how many events of an entity it
    is given at most in one. `at_once`: how many entities are delivered to a consumer at a time, as
    many again of those that were refused before; each holds a connection of the store's.

    What was refused for the n-th time in a row comes again after `first_pause` x 2^(n-1), at most
    `longest_pause`, less up to half of it by chance. It is never given up.

    Raises:
        ValidationError: for a value that is none.
    """

    interval: timedelta = field(default=timedelta(milliseconds=200), metadata=rule(_REST))
    timeout: timedelta = field(default=timedelta(seconds=10), metadata=rule(_TIMEOUT))
    first_pause: timedelta = field(default=timedelta(milliseconds=500), metadata=rule(_PAUSE))
    longest_pause: timedelta = field(default=timedelta(minutes=5), metadata=rule(_PAUSE))
    batch: int = field(default=100, metadata=rule(whole(1, 1_000)))
    at_once: int = field(default=2, metadata=rule(whole(1, 32)))

    def rest(self) -> float:
        """For how many seconds to rest this time."""
        return self.interval / _SECOND * uniform(0.5, 1.5)

    def pause(self, refused: int) -> timedelta:
        """How long what was refused for the `refused`-th time, counted from 1, has to wait."""
        longest: timedelta = self.longest_pause
        if refused <= _DOUBLINGS:
            longest = min(longest, self.first_pause * 2 ** (refused - 1))
        return longest * uniform(0.5, 1)


DEFAULT_OPTIONS: Final = DispatchOptions()
