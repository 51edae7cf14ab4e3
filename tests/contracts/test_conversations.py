"""The contracts of `ports.contracts.conversations`."""

from ports.contracts.conversations import *  # noqa: F403
