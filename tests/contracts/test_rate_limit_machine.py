"""The contracts of `ports.contracts.rate_limit_machine`."""

from ports.contracts.rate_limit_machine import *  # noqa: F403
