"""The contracts of `ports.contracts.cache_loading`."""

from ports.contracts.cache_loading import *  # noqa: F403
