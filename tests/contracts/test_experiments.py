"""The contracts of `ports.contracts.experiments`."""

from ports.contracts.experiments import *  # noqa: F403
