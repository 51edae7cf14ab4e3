"""The contracts of `ports.contracts.audit_machine`."""

from ports.contracts.audit_machine import *  # noqa: F403
