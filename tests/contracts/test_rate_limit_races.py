"""The contracts of `ports.contracts.rate_limit_races`."""

from ports.contracts.rate_limit_races import *  # noqa: F403
