"""Rows of the memory adapter: operations a second, and what a hundredfold of entities changes."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from adapters.memory import MemoryAuthoringStore
from benchmarks.content import drafts
from benchmarks.figures import Figure, duration
from benchmarks.measuring import Contender, Rounds, Spread, in_turns
from benchmarks.scale import Scale
from domain.flows import Flow
from domain.identity import tenant_id
from ports.flows import FlowRepository

GOAL_A_SECOND = 20_000
GOAL_FLAT = 1.5
_TENANT = tenant_id("bench")


@attrs.define
class _Filled:
    """A repository with so many flows, and those whose turn comes next."""

    flows: FlowRepository
    size: int
    stored: list[Flow]
    _turn: int = attrs.field(default=0, init=False)

    @classmethod
    async def of(cls, size: int) -> "_Filled":
        flows = MemoryAuthoringStore().repositories(_TENANT).flows
        stored = list(await flows.create_many(drafts(size)))
        return cls(flows, size, stored)

    def some(self, count: int) -> list[Flow]:
        """`count` of them from all over, others at each call."""
        # Strides through all of them: the same few would sit in the processor's cache.
        self._turn += 1
        step = max(self.size // count, 1)
        places = range(self._turn, self._turn + count * step, step)
        return [self.stored[place % self.size] for place in places]


async def rows(scale: Scale) -> list[Figure]:
    """Five operations, at both sizes."""
    few, many = [await _Filled.of(size) for size in scale.in_memory]
    figures: list[Figure] = []
    for name, build in _OPERATIONS.items():
        count = scale.operations(100 if name != "scan 50" else 30)
        rounds = await in_turns(
            [build(filled, count, str(filled.size)) for filled in (few, many)], scale.few
        )
        figures += per_second(rounds, name, "flows", few.size, many.size)
    return figures


def per_second(rounds: Rounds, name: str, things: str, few: int, many: int) -> list[Figure]:
    """Operations a second at both sizes, by which the contenders are called, and their ratio.

    A second of the processor's: whatever else runs on the machine takes none of it.
    """
    rounds = Rounds(rounds.processor)
    figures = []
    for size in (few, many):
        seconds = Spread.of(rounds.seconds[str(size)])
        figures.append(
            Figure(
                name=f"memory: {name} at {size:,}".replace(",", " "),
                against=f"{GOAL_A_SECOND:,} a second".replace(",", " "),
                ratio=seconds.median * GOAL_A_SECOND,
                spread=Spread(
                    seconds.first * GOAL_A_SECOND,
                    seconds.median * GOAL_A_SECOND,
                    seconds.third * GOAL_A_SECOND,
                ),
                goal=1.0,
                rounds=rounds.number,
                ours=f"{round(1 / seconds.median):,}/s".replace(",", " "),
                theirs=duration(1 / GOAL_A_SECOND),
            )
        )
    figures.append(
        Figure.of(
            rounds,
            name=f"memory: {name}, {many // few} times the {things}",
            of=str(many),
            to=str(few),
            against="itself with the fewer",
            goal=GOAL_FLAT,
        )
    )
    return figures


def _get(filled: _Filled, count: int, name: str) -> Contender:
    async def work(picked: Iterable[Flow]) -> None:
        for flow in picked:
            await filled.flows.get_by_id(flow.id)

    return Contender(name=name, operations=count, prepare=lambda: filled.some(count), work=work)


def _get_by_name(filled: _Filled, count: int, name: str) -> Contender:
    async def work(picked: Iterable[Flow]) -> None:
        for flow in picked:
            await filled.flows.get_by_name_and_version(flow.name, flow.version)

    return Contender(name=name, operations=count, prepare=lambda: filled.some(count), work=work)


def _create(filled: _Filled, count: int, name: str) -> Contender:
    async def work(made: Iterable[Any]) -> list[Flow]:
        return [await filled.flows.create(draft) for draft in made]

    async def tidy(created: list[Flow]) -> None:
        for flow in created:
            await filled.flows.delete(flow.id)

    return Contender(
        name=name,
        operations=count,
        prepare=lambda: list(drafts(count, kind="new")),
        work=work,
        tidy=tidy,
    )


def _update(filled: _Filled, count: int, name: str) -> Contender:
    # Always the same, so that none of them is stale; nothing else needs these to be current.
    current = filled.stored[:count]
    turns = itertools.count()

    def prepare() -> list[Flow]:
        text = f"Edited in turn {next(turns)}."
        return [flow.edited(description=text) for flow in current]

    async def work(changed: Iterable[Flow]) -> list[Flow]:
        return [await filled.flows.update(flow) for flow in changed]

    async def tidy(updated: list[Flow]) -> None:
        current[:] = updated

    return Contender(name=name, operations=len(current), prepare=prepare, work=work, tidy=tidy)


def _scan(filled: _Filled, count: int, name: str) -> Contender:
    async def work(_: object) -> None:
        for _ in range(count):
            await filled.flows.scan(limit=50)

    return Contender(name=name, operations=count, work=work)


_OPERATIONS: dict[str, Callable[[_Filled, int, str], Contender]] = {
    "get": _get,
    "get by name and version": _get_by_name,
    "create": _create,
    "update": _update,
    "scan 50": _scan,
}
