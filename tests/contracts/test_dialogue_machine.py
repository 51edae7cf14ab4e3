"""The contracts of `ports.contracts.dialogue_machine`."""

from ports.contracts.dialogue_machine import *  # noqa: F403
