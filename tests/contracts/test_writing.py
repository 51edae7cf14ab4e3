"""The contracts of `ports.contracts.writing`."""

from ports.contracts.writing import *  # noqa: F403
