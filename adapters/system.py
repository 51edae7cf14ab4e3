"""The clock and the identities of the real world."""

import secrets
import threading
from datetime import UTC, datetime
from uuid import UUID

from ports.time import Clock, IdGenerator


class SystemClock(Clock):
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Uuid7Generator(IdGenerator):
    """UUIDv7 as RFC 9562 has it: 48 bits of Unix milliseconds, then randomness.

    Monotonic within a generator (section 6.2, method 2): in one millisecond, or when the clock
    goes back, the random part counts on by a random step. Safe to share by threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def new_uuid(self) -> UUID:
        milliseconds = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            # 122 bits without version and variant: the time, then 74 bits of randomness.
            fresh = milliseconds << 74 | secrets.randbits(73)
            if fresh <= self._last:
                fresh = self._last + 1 + secrets.randbits(32)
            self._last = fresh
        time_and_a, b = fresh >> 62, fresh & (1 << 62) - 1
        return UUID(
            int=(time_and_a >> 12) << 80 | 0x7 << 76 | (time_and_a & 0xFFF) << 64 | 0b10 << 62 | b
        )
