"""The contracts of `ports.contracts.credentials`."""

from ports.contracts.credentials import *  # noqa: F403
