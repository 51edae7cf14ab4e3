"""The contracts of `ports.contracts.analytics_queries`."""

from ports.contracts.analytics_queries import *  # noqa: F403
