"""The contracts of `ports.contracts.unit_conflicts`."""

from ports.contracts.unit_conflicts import *  # noqa: F403
