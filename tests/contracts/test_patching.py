"""The contracts of `ports.contracts.patching`."""

from ports.contracts.patching import *  # noqa: F403
