"""The contracts of `ports.contracts.messages`."""

from ports.contracts.messages import *  # noqa: F403
