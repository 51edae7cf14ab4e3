"""The contracts of `ports.contracts.message_search`."""

from ports.contracts.message_search import *  # noqa: F403
