"""The contracts of `ports.contracts.rate_limits`."""

from ports.contracts.rate_limits import *  # noqa: F403
