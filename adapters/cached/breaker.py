"""Whether to ask a server that may be away: a circuit breaker (Nygard, "Release It!", 2007)."""

import math
import random
from collections.abc import Callable
from typing import Final

SHORTEST: Final = 0.1
LONGEST: Final = 5.0
"""Seconds that a server is left alone after a failure: after each one for twice as long."""

_CALM: Final = 10.0
"""Seconds without a failure after which the next one counts as the first."""

_PROBING: Final = 1.0
"""Seconds that one caller has to find out whether the server is back, before another may try."""


class Breaker:
    """Closed while all is well; opened by one failure; closed again by one success.

    While it is open it admits nobody, and after its pause one caller at a time. So a server that
    flaps is asked less and less often, and never by everybody at once.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._closed = True
        self._closed_at = -math.inf
        self._pause = SHORTEST
        self._until = -math.inf
        self._probing = False

    @property
    def is_closed(self) -> bool:
        """Whether the last that was heard is good."""
        return self._closed

    def admits(self) -> bool:
        """Whether the caller may ask now; who does so says what became of it."""
        if self._closed:
            return True
        now = self._now()
        if now < self._until:
            return False
        self._probing, self._until = True, now + _PROBING
        return True

    def succeeded(self) -> None:
        """The server answered."""
        if not self._closed:
            self._closed, self._closed_at = True, self._now()

    def failed(self) -> None:
        """It didn't. What was asked before the pause began, and fails in it, doesn't prolong it."""
        if not self._closed and not self._probing:
            return
        now = self._now()
        first = self._closed and now - self._closed_at > _CALM
        self._pause = SHORTEST if first else min(2 * self._pause, LONGEST)
        self._closed = self._probing = False
        self._until = now + self._pause * random.uniform(0.5, 1)
