"""The contracts of `ports.contracts.cache_machine`."""

from ports.contracts.cache_machine import *  # noqa: F403
