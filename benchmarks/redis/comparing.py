"""What all rows of Redis share: who takes part, how often, and the figures of it.

redis-py maps nothing: it is given keys that are ready, and its caller gets bytes; ours names keys,
checks what it is given, and returns entities.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import attrs

from benchmarks.figures import Figure
from benchmarks.measuring import Contender, One, in_turns, shared_out
from benchmarks.scale import Scale

PLAIN = "redis-py"
AGAIN = "redis-py again"
GOAL = 1 / 0.95
GOAL_CROWD = 1 / 5
_ALONE = 40
_EACH = 10


@attrs.frozen
class Way:
    """How one of them does it: `one`, with the next of `items`.

    `goal` is for our time over theirs with one caller, `crowd_goal` with many.
    """

    one: One
    items: Sequence[Any]
    goal: float | None = None
    crowd_goal: float | None = None

    def contender(self, name: str, operations: int, callers: int) -> Contender:
        """Taking turns with the others."""
        turn = cycle(self.items)
        return shared_out(
            name,
            self.one,
            prepare=lambda: list(islice(turn, operations)),
            operations=operations,
            callers=callers,
        )


async def measured(
    scale: Scale,
    name: str,
    ours: Way,
    others: Mapping[str, Way],
    *,
    operations: int = _ALONE,
    each: int = _EACH,
) -> list[Figure]:
    """Our figures against all others, redis-py among them: one caller, then many.

    `operations` are one caller's in a turn, `each` those of each of many.
    """
    figures: list[Figure] = []
    for callers in (1, scale.callers):
        count = callers * each if callers > 1 else scale.operations(operations)
        ways = {"ours": ours, **others, AGAIN: others[PLAIN]}
        rounds = await in_turns(
            [way.contender(called, count, callers) for called, way in ways.items()],
            scale.rounds if callers == 1 else scale.few,
        )
        figures += [
            Figure.of(
                rounds,
                name=f"redis: {name}" + (f", {callers} callers" if callers > 1 else ""),
                of="ours",
                to=called,
                goal=way.goal if callers == 1 else way.crowd_goal,
                noise=(AGAIN, PLAIN),
            )
            for called, way in others.items()
        ]
    return figures


def on_each(one: Callable[..., Any]) -> One:
    """For items that are all arguments."""

    async def apply(arguments: Sequence[Any]) -> Any:
        return await one(*arguments)

    return apply
