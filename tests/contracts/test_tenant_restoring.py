"""The contracts of `ports.contracts.tenant_restoring`."""

from ports.contracts.tenant_restoring import *  # noqa: F403
