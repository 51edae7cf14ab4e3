"""The contracts of `ports.contracts.flow_summary`."""

from ports.contracts.flow_summary import *  # noqa: F403
