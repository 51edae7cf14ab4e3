"""`dialogbase experiments results`."""

from typing import Annotated
from uuid import UUID

import attrs
from cyclopts import Parameter
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

import bootstrap
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from domain.experiment_results import Estimate, ExperimentResults, Interval
from domain.experiments import Experiment
from ports.errors import EntityNotFoundError
from ports.experiments import ExperimentRepository

_HEADINGS = ("units", "rate", "lift", "p", "mean", "lift", "p")


def results_command(
    experiment: str,
    /,
    *,
    tenant: Annotated[str, Parameter(help="Whose experiment it is.")],
    metric: Annotated[str | None, Parameter(help="Only this one of its metrics.")] = None,
    confidence: Annotated[float, Parameter(help="Of the intervals: 0.5 to 0.9999.")] = 0.95,
    common: Common = DEFAULTS,
) -> int:
    """Show what became of an experiment's units, by metric and variant.

    The rate is of units with an outcome among those assigned, the mean that of an outcome's value;
    beside both stand their intervals, the lift against the control with its own, and the p-value of
    the difference. — stands where the figures are too few to tell. Each comparison is judged by
    itself: among many, or when looked at again and again, one will seem to differ by chance. With
    --json it prints the results as they are: {"name", "status", "confidence", "variants":
    [{"variant", "is_control", "assigned", "metrics": [{"metric", "units", "count", "total", "rate",
    "mean"}]}]}, a rate or mean being {"value", "interval", "lift": {"value", "interval",
    "p_value"}}.

    Parameters
    ----------
    experiment
        Its name, or its id.
    """
    results = options.run(_results(experiment, tenant, metric, confidence, common))
    if common.json:
        options.print_json(attrs.asdict(results))
    else:
        _tell(results)
    return options.OK


async def _results(
    name_or_id: str, tenant: str, metric: str | None, confidence: float, common: Common
) -> ExperimentResults:
    async with bootstrap.open(common.settings()) as platform:
        experiments = platform.for_tenant(tenant).experiments
        found = await _found(experiments, name_or_id)
        return await experiments.results(found.id, metric, confidence)


async def _found(experiments: ExperimentRepository, name_or_id: str) -> Experiment:
    found = await experiments.get_by_name(name_or_id)
    if found is None:
        try:
            id = UUID(name_or_id)
        except ValueError:
            raise EntityNotFoundError("experiment", name_or_id) from None
        found = await experiments.require(id)
    return found


def _tell(results: ExperimentResults) -> None:
    console = options.output()
    console.print(
        f"[bold]{escape(results.name)}[/], {results.status}; intervals of {results.confidence:.4g}",
        soft_wrap=True,
    )
    metrics = [figures.metric for figures in results.variants[0].metrics]
    for metric in metrics:
        table = Table(
            box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=Text(metric), title_justify="left"
        )
        table.add_column("variant", overflow="fold")
        for heading in _HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for variant in results.variants:
            figures = results.of(variant.variant, metric)
            named = Text(variant.variant)
            if variant.is_control:
                named.append("\n(control)", style="dim")
            table.add_row(
                named,
                f"{figures.units} of {variant.assigned}\n{figures.count} outcomes",
                *_cells(figures.rate, "%"),
                *_cells(figures.mean, ""),
            )
        console.print(table)
    if not metrics:
        units = ", ".join(f"{escape(it.variant)} {it.assigned}" for it in results.variants)
        console.print(f"it has no metrics; units assigned: {units}", soft_wrap=True)


def _cells(estimate: Estimate | None, sign: str) -> tuple[str, str, str]:
    if estimate is None:
        return "—", "—", "—"
    value = _shown(estimate.value, estimate.interval, sign)
    if estimate.lift is None:
        return value, "—", "—"
    p_value = estimate.lift.p_value
    return (
        value,
        _shown(estimate.lift.value, estimate.lift.interval, "%", signed=True),
        "—" if p_value is None else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001",
    )


def _shown(value: float, interval: Interval | None, sign: str, *, signed: bool = False) -> str:
    def one(number: float) -> str:
        if sign:
            return f"{number * 100:+.1f}" if signed else f"{number * 100:.1f}"
        return f"{number:.4g}"

    ends = "—" if interval is None else f"{one(interval.low)}…{one(interval.high)}{sign}"
    return f"{one(value)}{sign}\n{ends}"
