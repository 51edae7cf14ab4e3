"""The contracts of `ports.contracts.history`."""

from ports.contracts.history import *  # noqa: F403
