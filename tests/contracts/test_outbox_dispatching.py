"""The contracts of `ports.contracts.outbox_dispatching`."""

from ports.contracts.outbox_dispatching import *  # noqa: F403
