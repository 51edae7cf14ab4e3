"""The contracts of `ports.contracts.runtime_maintenance`."""

from ports.contracts.runtime_maintenance import *  # noqa: F403
