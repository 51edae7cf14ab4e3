"""The contracts of `ports.contracts.cache_invalidation`."""

from ports.contracts.cache_invalidation import *  # noqa: F403
