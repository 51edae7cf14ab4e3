"""The contracts of `ports.contracts.analytics`."""

from ports.contracts.analytics import *  # noqa: F403
