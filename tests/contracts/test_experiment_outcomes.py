"""The contracts of `ports.contracts.experiment_outcomes`."""

from ports.contracts.experiment_outcomes import *  # noqa: F403
