"""The contracts of `ports.contracts.execution_workers`."""

from ports.contracts.execution_workers import *  # noqa: F403
