"""The contracts of `ports.contracts.executions`."""

from ports.contracts.executions import *  # noqa: F403
