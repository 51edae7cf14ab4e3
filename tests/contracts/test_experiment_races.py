"""The contracts of `ports.contracts.experiment_races`."""

from ports.contracts.experiment_races import *  # noqa: F403
