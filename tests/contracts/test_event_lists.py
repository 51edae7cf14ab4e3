"""The contracts of `ports.contracts.event_lists`."""

from ports.contracts.event_lists import *  # noqa: F403
