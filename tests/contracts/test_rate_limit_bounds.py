"""The contracts of `ports.contracts.rate_limit_bounds`."""

from ports.contracts.rate_limit_bounds import *  # noqa: F403
