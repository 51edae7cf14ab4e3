"""The contracts of `ports.contracts.execution_restoring`."""

from ports.contracts.execution_restoring import *  # noqa: F403
