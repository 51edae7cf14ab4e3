"""The contracts of `ports.contracts.execution_sync`."""

from ports.contracts.execution_sync import *  # noqa: F403
