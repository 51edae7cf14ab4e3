"""The contracts of `ports.contracts.trail_restoring`."""

from ports.contracts.trail_restoring import *  # noqa: F403
