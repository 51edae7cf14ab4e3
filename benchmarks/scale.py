"""How much is measured, and what of it was asked for."""

import attrs


@attrs.frozen(kw_only=True)
class Scale:
    """Sizes of a run. The defaults are those that the goals are meant for."""

    rounds: int = 160
    """Rounds of the fast rows, many and short: most of them pass undisturbed then. The slow ones
    take a part of them, `few` and `fewest`."""

    many_rows: int = 1_000_000
    """Rows of the tenant whose pages are read at both ends."""

    bulk_rows: int = 5_000
    streamed: tuple[int, int] = (10_000, 100_000)
    in_memory: tuple[int, int] = (1_000, 100_000)
    batch: float = 1.0
    """Operations a turn, as a part of what these rows do by themselves."""

    callers: int = 50
    """Where many call at the same time."""

    durable: bool = True

    @property
    def few(self) -> int:
        """Rounds of rows that take some milliseconds a turn."""
        return max(self.rounds // 2, 1)

    @property
    def fewest(self) -> int:
        """Rounds of rows that take a second a turn."""
        return max(self.rounds // 16, 1)

    def operations(self, full: int) -> int:
        """Operations a turn, of `full` at most."""
        return max(round(full * self.batch), 1)


FULL = Scale()
QUICK = Scale(rounds=48, many_rows=100_000, streamed=(2_000, 20_000))
