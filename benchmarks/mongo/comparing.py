"""What all rows of MongoDB share: who takes part, how often, and the figures of it."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from benchmarks.figures import Figure
from benchmarks.measuring import Contender, One, Rounds, Tidy, in_turns, shared_out
from benchmarks.mongo.place import Place
from benchmarks.scale import Scale

PEER = "Beanie"
AGAIN = "bare again"
GOAL = 1.15
GOAL_APPEND = 1.2
GOAL_PEER_ONE = 1 / 1.2
GOAL_PEER_PAGE = 1 / 1.7
GOAL_PEER_BULK = 1 / 3


@attrs.frozen
class Way:
    """How one of them does it: `prepare` makes so many items, `one` is done with each, `tidy` is
    given all results.
    """

    prepare: Callable[[int], Sequence[Any]]
    one: One
    tidy: Tidy | None = None

    def contender(self, name: str, operations: int, callers: int) -> Contender:
        """Taking turns with the others."""
        return shared_out(
            name,
            self.one,
            prepare=lambda: self.prepare(operations),
            operations=operations,
            callers=callers,
            tidy=self.tidy,
        )


@attrs.frozen
class Row:
    """A piece of work, and every contender's way to it: a new one for each that takes part."""

    name: str
    ours: Callable[[], Way]
    bare: Callable[[], Way]
    peer: Callable[[], Way] | None = None
    goal: float | None = GOAL
    peer_goal: float | None = GOAL_PEER_ONE
    operations: int = 10


async def measured(
    place: Place, scale: Scale, row: Row, *, callers: int = 1, rounds: int | None = None
) -> list[Figure]:
    """Our figures against the bare driver and, if it takes part, the peer."""
    operations = scale.operations(row.operations if callers == 1 else 2 * callers)
    operations = max(operations // callers, 1) * callers
    ways = {"ours": row.ours, place.bare_name: row.bare, AGAIN: row.bare}
    if row.peer is not None:
        ways[PEER] = row.peer
    contenders = [way().contender(name, operations, callers) for name, way in ways.items()]
    most = scale.rounds if callers == 1 else scale.few
    taken = await in_turns(contenders, most if rounds is None else rounds)
    name = f"{place.driver}: {row.name}" + (f", {callers} callers" if callers > 1 else "")
    return against(place, taken, name, row.goal, row.peer_goal)


def against(
    place: Place, rounds: Rounds, name: str, goal: float | None, peer_goal: float | None
) -> list[Figure]:
    """Figures of rounds in which ours, the bare driver twice and perhaps the peer took part.

    What is promised of the peer is promised on the driver that it has, too.
    """
    noise = (AGAIN, place.bare_name)
    found = [
        Figure.of(rounds, name=name, of="ours", to=place.bare_name, goal=goal, noise=noise),
    ]
    if PEER in rounds.seconds:
        promised = peer_goal if place.driver == "pymongo" else None
        found.append(Figure.of(rounds, name=name, of="ours", to=PEER, goal=promised, noise=noise))
    return found
