"""The contracts of `ports.contracts.lock_losses`."""

from ports.contracts.lock_losses import *  # noqa: F403
