"""The contracts of `ports.contracts.flow_values`."""

from ports.contracts.flow_values import *  # noqa: F403
