"""The contracts of `ports.contracts.lock_races`."""

from ports.contracts.lock_races import *  # noqa: F403
