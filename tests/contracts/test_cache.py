"""The contracts of `ports.contracts.cache`."""

from ports.contracts.cache import *  # noqa: F403
