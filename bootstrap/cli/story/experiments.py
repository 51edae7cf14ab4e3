"""The fourth chapter: an experiment."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import evolve

from bootstrap.cli.story.pictures import drawn
from bootstrap.cli.story.scenes import Bar, Cell, Plot, Scene, Step, Table
from bootstrap.platform import Platform
from domain.experiment_results import Estimate, ExperimentResults, Interval
from domain.experiments import Experiment, Variant
from ports.errors import UnsupportedOperationError

PICTURE: Final = "dialogbase-experiment.png"

_NAME: Final = "A shorter greeting"
_OLD: Final = "as it was"
_NEW: Final = "shorter"
_METRIC: Final = "order"
_VISITORS: Final = 2_000
_NEWCOMERS: Final = 500
_WEIGHTS: Final = {_OLD: 5_000, _NEW: 5_000}
_LATER: Final = {_OLD: 2_000, _NEW: 8_000}
_ORDERING: Final = {_OLD: 0.20, _NEW: 0.27}
"""How probable it is that a visitor orders: nature's, which nobody but the dice knows."""
_AT_ONCE: Final = 50


class ExperimentChapter:
    """What is found out about the shop's greeting."""

    def __init__(self, platform: Platform, tenant: str) -> None:
        settings = platform.settings
        folder = settings.data if settings.profile == "embedded" else Path()
        self._picture = folder / PICTURE
        self._acme = platform.for_tenant(tenant, actor="ada")
        self._experiments = self._acme.experiments
        self._variants: Mapping[str, str] = {}

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return self._assign, self._judge

    async def _assigned(self, experiment: UUID, units: Iterable[str]) -> dict[str, str]:
        """Each unit's variant."""
        found: dict[str, str] = {}

        async def ask(unit: str) -> None:
            assignment = await self._experiments.assign(experiment, unit)
            assert assignment is not None  # everybody takes part
            found[unit] = assignment.variant

        await _each(ask, units)
        return found

    async def _assign(self) -> Step:
        flow = await self._acme.flows.get_default()
        drafted = Experiment.draft(
            name=_NAME,
            hypothesis="Who reads less, orders more.",
            flow_id=None if flow is None else flow.id,
            variants=[
                Variant(name=_OLD, weight=_WEIGHTS[_OLD], is_control=True),
                Variant(name=_NEW, weight=_WEIGHTS[_NEW]),
            ],
            metrics=[_METRIC],
        )
        made = await self._experiments.create(drafted)
        running = await self._experiments.start(made.id)
        visitors = [f"visitor-{n}" for n in range(_VISITORS)]
        first = await self._assigned(running.id, visitors)
        weighted = [evolve(one, weight=_LATER[one.name]) for one in running.variants]
        await self._experiments.modify(running.id, lambda it: it.edited(variants=weighted))
        again = await self._assigned(running.id, visitors)
        moved = sum(again[unit] != variant for unit, variant in first.items())
        newcomers = [f"newcomer-{n}" for n in range(_NEWCOMERS)]
        later = await self._assigned(running.id, newcomers)
        self._variants = first | later
        shares, shares_later = Counter(first.values()), Counter(later.values())
        return Step(
            title="An experiment",
            says=f"“{_NAME}” is tried on {len(first)} visitors. Who gets what is decided by a "
            "stable hash, the same in any process and language, and kept. Then Ada gives the new "
            f"greeting {_LATER[_NEW] / 100:.0f} % of the weight, and the same visitors come again: "
            f"{moved} of them got another variant. {len(later)} newcomers go by the new weights.",
            table=Table(
                columns=("variant", "weight", "visitors", "weight later", "newcomers"),
                rows=tuple(
                    (
                        name,
                        f"{_WEIGHTS[name] / 100:.0f} %",
                        shares[name],
                        f"{_LATER[name] / 100:.0f} %",
                        shares_later[name],
                    )
                    for name in (_OLD, _NEW)
                ),
            ),
            figures={
                "visitors": len(first),
                "moved": moved,
                "share": shares[_NEW] / len(first),
                "share_later": shares_later[_NEW] / len(later),
            },
        )

    async def _judge(self) -> Step:
        found = await self._experiments.get_by_name(_NAME)
        assert found is not None
        experiment = found.id
        dice = random.Random(7)
        baskets = {
            unit: round(dice.lognormvariate(3, 0.5), 2)
            for unit, variant in sorted(self._variants.items())
            if dice.random() < _ORDERING[variant]
        }
        counted = 0

        async def order(unit: str) -> None:
            nonlocal counted
            # Sent twice, as a client does whose answer got lost.
            for _ in range(2):
                if await self._experiments.record_outcome(
                    experiment, unit, _METRIC, baskets[unit], key=f"order of {unit}"
                ):
                    counted += 1

        await _each(order, baskets)
        told = f"{len(baskets)} of them order. Each order comes in twice, under the same key, "
        told += f"and {counted} are counted. "
        figures: dict[str, object] = {"orders": len(baskets), "counted": counted}
        try:
            results = await self._experiments.results(experiment)
        except UnsupportedOperationError as lacking:
            title = "What came of it"
            return Step(title=title, says=told, quotes=(str(lacking),), figures=figures)
        rate = results.of(_NEW, _METRIC).rate
        lift = None if rate is None else rate.lift
        interval = None if lift is None else lift.interval
        certain = interval is not None and not interval.low <= 0 <= interval.high
        bars = _bars(results)
        picture = await asyncio.to_thread(
            drawn, bars, self._picture, title=_NAME, confidence=results.confidence
        )
        return Step(
            title="What came of it",
            says=f"{told}An interval holds the truth in {results.confidence:.0%} of such "
            f"experiments; that of the lift {'leaves out' if certain else 'holds'} zero, so "
            f"{'it is hardly chance' if certain else 'it may be chance'}.",
            table=_table(results),
            plot=Plot(bars=bars, picture=picture),
            figures=figures
            | {
                "assigned": sum(one.assigned for one in results.variants),
                "lift": None if lift is None else lift.value,
                "interval": None if interval is None else [interval.low, interval.high],
                "p_value": None if lift is None else lift.p_value,
                "picture": None if picture is None else str(picture),
            },
        )


async def _each(action: Callable[[str], Awaitable[None]], units: Iterable[str]) -> None:
    """For every unit, by a few dozen at the same time."""
    waiting = iter(units)  # shared: each takes the next

    async def work() -> None:
        for unit in waiting:
            await action(unit)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _bars(results: ExperimentResults) -> tuple[Bar, ...]:
    bars = []
    for one in results.variants:
        rate = one.metrics[0].rate
        if rate is not None and rate.interval is not None:
            ends = rate.interval
            bars.append(Bar(name=one.variant, low=ends.low, value=rate.value, high=ends.high))
    return tuple(bars)


def _table(results: ExperimentResults) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in results.variants:
        (figures,) = one.metrics
        rate, mean = figures.rate, figures.mean
        lift = None if rate is None else rate.lift
        rows.append(
            (
                one.variant,
                one.assigned,
                figures.units,
                _percent(rate),
                None if lift is None else f"{lift.value:+.0%} {_ends(lift.interval)}",
                None if lift is None or lift.p_value is None else f"{lift.p_value:.2g}",
                None if mean is None else f"{mean.value:.2f}",
            )
        )
    return Table(
        columns=("variant", "visitors", "ordered", "rate", "lift", "p", "mean order"),
        rows=tuple(rows),
    )


def _percent(rate: Estimate | None) -> str | None:
    return None if rate is None else f"{rate.value:.1%}"


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f"({interval.low:+.0%} to {interval.high:+.0%})"
