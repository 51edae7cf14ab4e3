"""The contracts of `ports.contracts.call_retention`."""

from ports.contracts.call_retention import *  # noqa: F403
