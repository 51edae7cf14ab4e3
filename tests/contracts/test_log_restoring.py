"""The contracts of `ports.contracts.log_restoring`."""

from ports.contracts.log_restoring import *  # noqa: F403
