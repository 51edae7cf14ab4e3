"""The contracts of `ports.contracts.sessions`."""

from ports.contracts.sessions import *  # noqa: F403
