"""The contracts of `ports.contracts.flow_reads`."""

from ports.contracts.flow_reads import *  # noqa: F403
