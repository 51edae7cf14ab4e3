"""The contracts of `ports.contracts.sweeping`."""

from ports.contracts.sweeping import *  # noqa: F403
