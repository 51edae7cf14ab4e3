"""The contracts of `ports.contracts.analytics_calendar`."""

from ports.contracts.analytics_calendar import *  # noqa: F403
