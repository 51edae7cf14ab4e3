"""The contracts of `ports.contracts.audit_chain`."""

from ports.contracts.audit_chain import *  # noqa: F403
