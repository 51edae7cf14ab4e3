"""An experiment to measure with, and units for it."""

from itertools import count
from uuid import UUID

from domain.experiments import Experiment, Variant
from ports.experiments import ExperimentRepository

METRIC = "bought"
_turns = count()


async def started(experiments: ExperimentRepository, name: str) -> UUID:
    """A running experiment of two variants, in which everybody takes part."""
    made = await experiments.create(
        Experiment.draft(
            name=name,
            variants=[
                Variant(name="control", weight=5_000, is_control=True),
                Variant(name="shorter", weight=5_000, flow_version="1.1"),
            ],
            metrics=[METRIC],
        )
    )
    return (await experiments.start(made.id)).id


def new_units(number: int) -> list[str]:
    """So many units that nobody ever saw before."""
    turn = next(_turns)
    return [f"user-{turn}-{place}" for place in range(number)]
