"""The contracts of `ports.contracts.cancellation`."""

from ports.contracts.cancellation import *  # noqa: F403
