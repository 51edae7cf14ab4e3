"""The contracts of `ports.contracts.flow_races`."""

from ports.contracts.flow_races import *  # noqa: F403
