"""The contracts of `ports.contracts.concurrency`."""

from ports.contracts.concurrency import *  # noqa: F403
