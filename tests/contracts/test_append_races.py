"""The contracts of `ports.contracts.append_races`."""

from ports.contracts.append_races import *  # noqa: F403
