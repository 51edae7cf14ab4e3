"""The contracts of `ports.contracts.flow_operations`."""

from ports.contracts.flow_operations import *  # noqa: F403
