"""The contracts of `ports.contracts.audit`."""

from ports.contracts.audit import *  # noqa: F403
