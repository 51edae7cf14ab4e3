"""The contracts of `ports.contracts.runtime_isolation`."""

from ports.contracts.runtime_isolation import *  # noqa: F403
