"""The contracts of `ports.contracts.restoring`."""

from ports.contracts.restoring import *  # noqa: F403
