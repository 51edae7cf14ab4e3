"""The contracts of `ports.contracts.flow_projection`."""

from ports.contracts.flow_projection import *  # noqa: F403
