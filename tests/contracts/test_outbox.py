"""The contracts of `ports.contracts.outbox`."""

from ports.contracts.outbox import *  # noqa: F403
