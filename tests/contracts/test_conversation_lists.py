"""The contracts of `ports.contracts.conversation_lists`."""

from ports.contracts.conversation_lists import *  # noqa: F403
