"""The contracts of `ports.contracts.quotas`."""

from ports.contracts.quotas import *  # noqa: F403
