"""The contracts of `ports.contracts.flow_use`."""

from ports.contracts.flow_use import *  # noqa: F403
