"""The contracts of `ports.contracts.conversation_ends`."""

from ports.contracts.conversation_ends import *  # noqa: F403
