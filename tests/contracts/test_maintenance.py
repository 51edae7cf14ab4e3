"""The contracts of `ports.contracts.maintenance`."""

from ports.contracts.maintenance import *  # noqa: F403
