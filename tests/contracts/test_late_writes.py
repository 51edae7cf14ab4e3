"""The contracts of `ports.contracts.late_writes`."""

from ports.contracts.late_writes import *  # noqa: F403
