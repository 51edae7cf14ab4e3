"""The contracts of `ports.contracts.audit_reading`."""

from ports.contracts.audit_reading import *  # noqa: F403
