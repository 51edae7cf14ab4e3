"""The contracts of `ports.contracts.annotations`."""

from ports.contracts.annotations import *  # noqa: F403
