"""The contracts of `ports.contracts.audit_tampering`."""

from ports.contracts.audit_tampering import *  # noqa: F403
