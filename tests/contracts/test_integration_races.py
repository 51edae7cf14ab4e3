"""The contracts of `ports.contracts.integration_races`."""

from ports.contracts.integration_races import *  # noqa: F403
