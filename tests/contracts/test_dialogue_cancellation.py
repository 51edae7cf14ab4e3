"""The contracts of `ports.contracts.dialogue_cancellation`."""

from ports.contracts.dialogue_cancellation import *  # noqa: F403
