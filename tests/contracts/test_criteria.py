"""The contracts of `ports.contracts.criteria`."""

from ports.contracts.criteria import *  # noqa: F403
