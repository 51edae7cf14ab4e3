"""Values by key, each of which ends."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

V = TypeVar("V")

_SWEPT = 8
_SPARE = 64
NEVER = -1


class Expiring(Generic[V]):
    """A dict whose values are gone once more than their time has passed.

    Times are integers. Each `put` also forgets some of what has ended, more than it adds; what is
    there twice in the heap, for it was put again, goes when that is half of it.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[V, int]] = {}
        self._heap: list[tuple[int, str]] = []

    def get(self, key: str, now: int) -> V | None:
        """The value, unless it has ended."""
        found = self._kept.get(key)
        return None if found is None or found[1] < now else found[0]

    def ends(self, key: str) -> int:
        """When the value ends or ended, or `NEVER` if there is none."""
        found = self._kept.get(key)
        return NEVER if found is None else found[1]

    def put(self, key: str, value: V, ends: int, now: int) -> None:
        """Keep a value until then."""
        self._kept[key] = (value, ends)
        heappush(self._heap, (ends, key))
        self._sweep(now, _SWEPT)
        if len(self._heap) > 2 * len(self._kept) + _SPARE:
            self._heap = [(until, name) for name, (_, until) in self._kept.items()]
            heapify(self._heap)

    def pop(self, key: str) -> None:
        """Forget a value."""
        self._kept.pop(key, None)

    def keys(self, now: int) -> list[str]:
        """The keys of those that haven't ended."""
        return [key for key, (_, ends) in self._kept.items() if ends >= now]

    def live(self, now: int) -> int:
        """How many haven't ended. Forgets the others."""
        self._sweep(now, len(self._heap))
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._heap.clear()

    def _sweep(self, now: int, at_most: int) -> None:
        while at_most and self._heap and self._heap[0][0] < now:
            ends, key = heappop(self._heap)
            found = self._kept.get(key)
            if found is not None and found[1] == ends:
                del self._kept[key]
            at_most -= 1
