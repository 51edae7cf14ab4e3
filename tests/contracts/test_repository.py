"""The contracts of `ports.contracts.repository`."""

from ports.contracts.repository import *  # noqa: F403
