"""The contracts of `ports.contracts.contexts`."""

from ports.contracts.contexts import *  # noqa: F403
