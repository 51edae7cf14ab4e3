"""The contracts of `ports.contracts.dialogue_unit`."""

from ports.contracts.dialogue_unit import *  # noqa: F403
