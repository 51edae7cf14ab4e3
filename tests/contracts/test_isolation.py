"""The contracts of `ports.contracts.isolation`."""

from ports.contracts.isolation import *  # noqa: F403
