"""The contracts of `ports.contracts.cache_refreshing`."""

from ports.contracts.cache_refreshing import *  # noqa: F403
