"""The contracts of `ports.contracts.tombstones`."""

from ports.contracts.tombstones import *  # noqa: F403
