"""The contracts of `ports.contracts.dialogue_retention`."""

from ports.contracts.dialogue_retention import *  # noqa: F403
