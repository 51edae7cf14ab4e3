"""The contracts of `ports.contracts.flow_metric_keys`."""

from ports.contracts.flow_metric_keys import *  # noqa: F403
