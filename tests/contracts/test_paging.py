"""The contracts of `ports.contracts.paging`."""

from ports.contracts.paging import *  # noqa: F403
