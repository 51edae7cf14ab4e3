"""The contracts of `ports.contracts.flows`."""

from ports.contracts.flows import *  # noqa: F403
