"""What expires in memory is forgotten, without anyone asking for it."""

from datetime import timedelta

from adapters.memory.keyed import Expiring
from tests.domain.values import AT

SECOND = timedelta(seconds=1)


def held(kept: Expiring[int, int]) -> int:
    """How much is in memory, expired or not."""
    return max(len(kept), len(kept._turn))


def test_what_expired_does_not_pile_up() -> None:
    """Though nobody looks at it again, there is never much more than what lives."""
    kept: Expiring[int, int] = Expiring()
    for number in range(10_000):
        now = AT + number * SECOND
        kept.put(number, number, now + 100 * SECOND, now)
        assert held(kept) <= 205
    assert len(kept.keys(now)) == 100


def test_what_is_removed_and_put_again_does_not_pile_up() -> None:
    """Also while time stands still."""
    kept: Expiring[int, int] = Expiring()
    for number in range(1_000):
        for key in (1, 2, number):
            kept.put(key, number, AT + SECOND, AT)
            assert kept.remove(key, AT)
        kept.put(3, number, AT + SECOND, AT)
        assert held(kept) <= 10


def test_a_value_is_there_until_its_time() -> None:
    """Not at it."""
    kept: Expiring[int, int] = Expiring()
    kept.put(1, 10, AT + SECOND, AT)
    kept.put(1, 11, AT + 2 * SECOND, AT)
    assert kept.get(1, AT + SECOND) == 11
    assert kept.get(1, AT + 2 * SECOND) is None
    assert not kept.remove(1, AT + 2 * SECOND)
    assert kept.live(AT) == 0
