"""The contracts of `ports.contracts.execution_fencing`."""

from ports.contracts.execution_fencing import *  # noqa: F403
