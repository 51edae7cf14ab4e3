"""The contracts of `ports.contracts.flow_versions`."""

from ports.contracts.flow_versions import *  # noqa: F403
