"""The contracts of `ports.contracts.audit_retention`."""

from ports.contracts.audit_retention import *  # noqa: F403
