"""The contracts of `ports.contracts.experiment_assignments`."""

from ports.contracts.experiment_assignments import *  # noqa: F403
