"""The contracts of `ports.contracts.outbox_delivery`."""

from ports.contracts.outbox_delivery import *  # noqa: F403
