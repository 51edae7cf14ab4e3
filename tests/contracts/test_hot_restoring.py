"""The contracts of `ports.contracts.hot_restoring`."""

from ports.contracts.hot_restoring import *  # noqa: F403
