"""How ratios are measured: contenders take turns in one run, and each round gives one ratio.

A shared machine's speed wanders by tens of per cent within seconds, so two times that were taken
one after the other say little; what two contenders needed within the same tenth of a second does.
The median over the rounds then forgets the rounds in which something else ran.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

import attrs

Prepare = Callable[[], Any]
Work = Callable[[Any], Awaitable[object]]
Tidy = Callable[[Any], Awaitable[object]]
One = Callable[[Any], Awaitable[Any]]


def _nothing() -> None:
    return None


@attrs.frozen(kw_only=True)
class Contender:
    """One way to do a piece of work.

    `work` gets what `prepare` returns, awaited if need be, and does `operations` operations; `tidy`
    is given what `work` returned. Only `work` is timed.
    """

    name: str
    operations: int
    work: Work
    prepare: Prepare = _nothing
    tidy: Tidy | None = None


@attrs.frozen
class Spread:
    """A median with the quartiles around it."""

    first: float
    median: float
    third: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The quartiles of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        first, median, third = statistics.quantiles(values, n=4, method="inclusive")
        return cls(first, median, third)


@attrs.frozen
class Rounds:
    """Seconds an operation, by contender: one figure a round, taken in turns.

    `processor`: of them, what this process computed, threads included.
    """

    seconds: dict[str, list[float]]
    processor: dict[str, list[float]] = attrs.field(factory=dict)

    @property
    def number(self) -> int:
        """How many rounds there were."""
        return len(next(iter(self.seconds.values())))

    def ratio(self, of: str, to: str) -> Spread:
        """How many times as long as `to` the contender `of` took, round by round."""
        return _ratio(self.seconds, of, to)

    def processor_ratio(self, of: str, to: str) -> Spread | None:
        """The same of what they computed; None if that wasn't measured, or can't be."""
        if of not in self.processor or not all(self.processor[to]):
            return None
        return _ratio(self.processor, of, to)

    def median(self, name: str) -> float:
        """Seconds an operation."""
        return statistics.median(self.seconds[name])


def _ratio(taken: dict[str, list[float]], of: str, to: str) -> Spread:
    pairs = zip(taken[of], taken[to], strict=True)
    return Spread.of([mine / other for mine, other in pairs])


async def in_turns(
    contenders: Sequence[Contender],
    rounds: int,
    warm_up: int = 2,
    between: Callable[[], Awaitable[object]] | None = None,
) -> Rounds:
    """Let all contenders work once a round, each round in another order.

    What exists beforehand is kept from the garbage collector's sight, for good, and it runs before
    each turn, so that nobody pays for another's garbage; it stays on, so that everybody pays for
    his own. `between` runs after every round, untimed.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    processor: dict[str, list[float]] = {name: [] for name in seconds}
    if len(seconds) != len(contenders):
        raise ValueError("contenders need names of their own")
    gc.collect()
    gc.freeze()
    for turn in range(-warm_up, rounds):
        for contender in in_order(contenders, turn):
            elapsed, computed = await _timed(contender)
            if turn >= 0:
                seconds[contender.name].append(elapsed / contender.operations)
                processor[contender.name].append(computed / contender.operations)
        if between is not None:
            await between()
    return Rounds(seconds, processor)


def in_order(contenders: Sequence[Contender], turn: int) -> list[Contender]:
    """The order of a round: it rotates, and every other round goes backwards.

    So each follows every other equally often; two simply take turns in coming first.
    """
    step = turn // 2 % len(contenders)
    rotated = [*contenders[step:], *contenders[:step]]
    return rotated[::-1] if turn % 2 else rotated


async def _timed(contender: Contender) -> tuple[float, float]:
    given = contender.prepare()
    if isawaitable(given):
        given = await given
    gc.collect()
    begin, begin_computing = time.perf_counter(), time.process_time()
    result = await contender.work(given)
    computed, elapsed = time.process_time() - begin_computing, time.perf_counter() - begin
    if contender.tidy is not None:
        await contender.tidy(result)
    return elapsed, computed


def shared_out(
    name: str,
    one: One,
    *,
    prepare: Callable[[], Sequence[Any]],
    operations: int,
    callers: int = 1,
    tidy: Tidy | None = None,
) -> Contender:
    """Callers at the same time share out the `operations` items that `prepare` gives, each of
    whom does `one` after the other. `tidy` gets the results, in any order.
    """

    async def caller(share: Sequence[Any]) -> list[Any]:
        return [await one(item) for item in share]

    async def work(given: Sequence[Any]) -> list[Any]:
        if callers == 1:
            return await caller(given)
        shares = await asyncio.gather(*(caller(given[n::callers]) for n in range(callers)))
        return [result for share in shares for result in share]

    return Contender(name=name, operations=operations, prepare=prepare, work=work, tidy=tidy)


def synchronous(work: Callable[[], object], times: int) -> Work:
    """A work that calls a plain function so many times."""

    async def calls(_: Any) -> None:
        for _ in range(times):
            work()

    return calls
