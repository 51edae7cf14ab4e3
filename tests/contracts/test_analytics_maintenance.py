"""The contracts of `ports.contracts.analytics_maintenance`."""

from ports.contracts.analytics_maintenance import *  # noqa: F403
