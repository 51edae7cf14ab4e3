"""The contracts of `ports.contracts.append_log`."""

from ports.contracts.append_log import *  # noqa: F403
