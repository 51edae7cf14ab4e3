"""The contracts of `ports.contracts.outbox_machine`."""

from ports.contracts.outbox_machine import *  # noqa: F403
