"""The contracts of `ports.contracts.append_replays`."""

from ports.contracts.append_replays import *  # noqa: F403
